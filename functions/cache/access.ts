/** Who calls: the holder of the service token, or nobody. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken } from '@bramble/runtime/service/token'

export function createAuthorize(serviceToken: string) {
  const wanted = digest(serviceToken)
  return (request: IncomingMessage, { access }: RouteSpec): undefined => {
    if (access === 'public') return
    const shown = bearerToken(request)
    if (shown === undefined) throw unauthorized('show the service token: "Authorization: Bearer TOKEN"')
    // Hashes have one length, and tell by time nothing about what they were made of.
    if (!timingSafeEqual(digest(shown), wanted)) throw unauthorized('this is not the service token')
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

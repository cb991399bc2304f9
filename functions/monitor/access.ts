/** Who calls: the holder of the service token, or nobody. */
import type { IncomingMessage } from 'node:http'
import { unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'

export function createAuthorize(serviceToken: string) {
  return (request: IncomingMessage, { access }: RouteSpec): undefined => {
    if (access === 'public') return
    const shown = bearerToken(request)
    if (shown === undefined) throw unauthorized('show the service token: "Authorization: Bearer TOKEN"')
    if (!isSameText(shown, serviceToken)) throw unauthorized('this is not the service token')
  }
}

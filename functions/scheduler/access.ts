/** Who may call: services with the service token. */
import type { IncomingMessage } from 'node:http'
import { unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'

export function createAuthorize(serviceToken: string): (request: IncomingMessage, route: RouteSpec) => undefined {
  return (request, { access }) => {
    if (access === 'public') return
    const shown = bearerToken(request)
    if (shown === undefined || !isSameText(shown, serviceToken)) throw unauthorized('show the service token: "Authorization: Bearer TOKEN"')
  }
}

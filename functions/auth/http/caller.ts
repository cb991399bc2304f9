/** Who calls, by the token that is shown. */
import type { IncomingMessage } from 'node:http'
import { forbidden, unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'
import { clientAddress } from '../client-address.ts'
import type { Deps } from '../deps.ts'
import { ADMIN_ROLE } from '../people/admin.ts'
import { findSession } from '../people/session-tokens.ts'
import type { Origin } from '../store/origin.ts'
import type { Session } from '../store/sessions.ts'
import { findUser, type User } from '../store/users.ts'

export type Caller =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'service' }
  | { readonly kind: 'person'; readonly user: User; readonly session: Session }

/**
 * `public`, `client`: the route looks itself, at a body or at nothing. `person`: somebody logged in here, not through an application.
 * `token`: any access token, which the route looks at. `admin`: a person with that role, or a service with the service token.
 */
export type Access = 'public' | 'client' | 'token' | 'person' | 'admin'

export function createAuthorize({ deps, serviceToken }: { readonly deps: Deps; readonly serviceToken: string }) {
  return async (request: IncomingMessage, { access }: RouteSpec): Promise<Caller> => {
    const shown = bearerToken(request)
    if (access === 'public' || access === 'client') return { kind: 'nobody' }
    if (shown === undefined) throw unauthorized('show an access token: "Authorization: Bearer TOKEN"')
    if (access === 'token') return { kind: 'nobody' }
    if (access === 'admin' && isSameText(shown, serviceToken)) return { kind: 'service' }
    const caller = await personOf(deps, shown, request)
    if (access === 'admin' && !caller.user.roles.includes(ADMIN_ROLE)) throw forbidden(`this needs the role ${ADMIN_ROLE}`)
    return caller
  }
}

/** The session is looked up at every call: one that was ended ends here at once, not when its access token does. */
async function personOf(deps: Deps, token: string, request: IncomingMessage): Promise<Extract<Caller, { kind: 'person' }>> {
  const origin = originOf(request, '')
  const claims = await deps.accessTokens.verify(token, origin.nowMs)
  if (claims === undefined) throw unauthorized('the access token is wrong or over: refresh it, or log in')
  const session = claims.sid === undefined ? undefined : await findSession(deps, claims.sid, origin)
  if (claims.sid !== undefined && session === undefined) throw unauthorized('the session has ended: log in')
  // What an application or a machine was given must not take over the account.
  if (session === undefined || session.client_id !== null) {
    throw forbidden('this token was given to an application or a machine: log in here yourself')
  }
  const user = await findUser(deps.db, claims.sub)
  if (user === undefined || user.disabled_at !== null) throw unauthorized('the account is closed')
  return { kind: 'person', user, session }
}

/** The person of a route with access `person`. */
export function personIn(caller: Caller): { readonly user: User; readonly session: Session } {
  if (caller.kind !== 'person') throw unauthorized('log in')
  return caller
}

/** For the log of events. */
export function nameOf(caller: Caller): string {
  return caller.kind === 'person' ? caller.user.id : caller.kind
}

export function originOf(request: IncomingMessage, callId: string): Origin {
  const { 'x-forwarded-for': forwarded, 'user-agent': userAgent = '' } = request.headers
  return {
    address: clientAddress(Array.isArray(forwarded) ? forwarded.join(',') : forwarded, request.socket.remoteAddress),
    userAgent, callId, nowMs: Date.now(),
  }
}

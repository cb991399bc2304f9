/** Who calls, and what they may do. The service token may do everything; a token of `/v1/tokens` what it was given. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { forbidden, unauthorized } from '@bramble/runtime/service/problem'
import type { RouteSpec } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'
import type { Grant, Tokens } from './tokens.ts'

export type Right = 'read' | 'write'

export type Caller = { readonly kind: 'nobody' } | { readonly kind: 'service' } | { readonly kind: 'token'; readonly id: string; readonly grants: readonly Grant[] }

/** Names of OpenAPI's security schemes: `service` takes the service token only. */
export type Access = 'public' | 'token' | 'service'

const ID_LENGTH = 16

export function createAuthorize(deps: { readonly serviceToken: string; readonly tokens: Tokens }) {
  return async (request: IncomingMessage, { access }: RouteSpec): Promise<Caller> => {
    if (access === 'public') return { kind: 'nobody' }
    const shown = bearerToken(request)
    if (shown === undefined) throw unauthorized('show a token: "Authorization: Bearer TOKEN"')
    if (isSameText(shown, deps.serviceToken)) return { kind: 'service' }
    const grants = await deps.tokens.grantsOf(shown)
    if (grants === undefined) throw unauthorized('this token is not known: it may have been revoked')
    if (access === 'service') throw forbidden('this call takes the service token only')
    // Enough to tell two apart, too little to use.
    return { kind: 'token', id: createHash('sha256').update(shown).digest('base64url').slice(0, ID_LENGTH), grants }
  }
}

/** Throws `forbidden`, no matter whether there is such a database. Who may write may read. */
export function allow(caller: Caller, database: string, right: Right): void {
  if (caller.kind === 'service') return
  const grants = caller.kind === 'token' ? caller.grants : []
  const isGranted = grants.some((grant) => (grant.database === database || grant.database === '*') && (grant.right === right || grant.right === 'write'))
  if (!isGranted) throw forbidden(`this token may not ${right} database ${database}`)
}

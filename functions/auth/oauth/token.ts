/** The token endpoint: RFC 6749 with the three grants that are left in RFC 9700. */
import type { IncomingMessage } from 'node:http'
import * as z from 'zod'
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { accessAnswer, openSession, refreshSession, type TokenAnswer } from '../people/session-tokens.ts'
import { auditStatement } from '../store/audit.ts'
import type { Origin } from '../store/origin.ts'
import { findUser, type User } from '../store/users.ts'
import { hashToken } from '../tokens/opaque.ts'
import { authenticateClient, type AuthenticatedClient, type ClientCredentials } from './client-authentication.ts'
import type { Client } from './clients.ts'
import { oauthError } from './oauth-error.ts'
import { checkPkce } from './pkce.ts'

export type TokenRequest = ClientCredentials & {
  readonly grant_type: string
  readonly code?: string | undefined
  readonly redirect_uri?: string | undefined
  readonly code_verifier?: string | undefined
  readonly refresh_token?: string | undefined
  readonly scope?: string | undefined
}

export async function giveTokens(deps: Deps, request: IncomingMessage, body: TokenRequest, origin: Origin): Promise<TokenAnswer> {
  const who = await authenticateClient(deps, request, body, origin.nowMs)
  if (body.grant_type === 'client_credentials') return machineToken(deps, who, body, origin)
  if (body.grant_type !== 'authorization_code' && body.grant_type !== 'refresh_token') {
    throw oauthError('unsupported_grant_type', 'grant_type must be authorization_code, refresh_token or client_credentials')
  }
  if (who.kind !== 'client' || !who.client.grants.includes(body.grant_type)) {
    throw oauthError('unauthorized_client', `this client has no grant ${body.grant_type}`)
  }
  return body.grant_type === 'authorization_code' ? exchangeCode(deps, who.client, body, origin) : refresh(deps, who.client, body, origin)
}

/** No refresh token: who has a secret can ask again (RFC 6749, section 4.4.3). */
async function machineToken(
  { accessTokens, settings, db }: Deps, who: AuthenticatedClient, { scope = '' }: TokenRequest, origin: Origin,
): Promise<TokenAnswer> {
  const expires_in = Math.ceil(settings.accessTokenMs / 1000)
  if (who.kind === 'key') {
    if (scope !== '') throw oauthError('invalid_scope', 'an API key has roles, no scopes')
    await db.execute([{ sql: 'UPDATE api_keys SET used_at = :now WHERE id = :id', parameters: { now: origin.nowMs, id: who.key.id } }])
    const access_token = await accessTokens.sign({ userId: who.key.user.id, clientId: who.key.id, scope: '', roles: who.key.roles }, origin.nowMs)
    return { access_token, token_type: 'Bearer', expires_in }
  }
  const { client } = who
  if (client.secret_hash === null || !client.grants.includes('client_credentials')) {
    throw oauthError('unauthorized_client', 'this client has no grant client_credentials')
  }
  if (scope !== '') throw oauthError('invalid_scope', 'scopes are about people: a machine has roles')
  const access_token = await accessTokens.sign({ userId: client.id, clientId: client.id, scope: '', roles: client.roles }, origin.nowMs)
  return { access_token, token_type: 'Bearer', expires_in }
}

const codeRow = z.object({
  client_id: z.string(), user_id: z.string(), redirect_uri: z.string(), challenge: z.string(), scope: z.string(), nonce: z.string().nullable(),
  amr: z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text))), auth_at: z.number(), expires_at: z.number(), session_id: z.string().nullable(),
})

async function exchangeCode(
  deps: Deps, client: Client, { code = '', redirect_uri = '', code_verifier = '' }: TokenRequest, origin: Origin,
): Promise<TokenAnswer> {
  const { db, accessTokens } = deps
  const hash = hashToken(code)
  const refused = (): Problem => oauthError('invalid_grant', 'the code is wrong, over, used before, or not for this client, redirect_uri and code_verifier')
  const find = async () => {
    const [row] = await db.query('SELECT * FROM codes WHERE hash = :hash', { hash })
    return row === undefined ? undefined : codeRow.parse(row)
  }
  const found = await find()
  if (found === undefined || found.client_id !== client.id) throw refused()
  // Spent before: whoever has it now, nobody keeps what it brought (RFC 6749, section 4.1.2).
  if (found.session_id !== null) {
    await endOfCode(deps, found.session_id, found.user_id, origin)
    throw refused()
  }
  if (found.expires_at <= origin.nowMs || found.redirect_uri !== redirect_uri || !checkPkce(code_verifier, found.challenge)) throw refused()
  const user = await findUser(db, found.user_id)
  if (user === undefined || user.disabled_at !== null) throw refused()

  const { session, statements } = openSession(deps, { userId: user.id, clientId: client.id, scope: found.scope, amr: found.amr, authAtMs: found.auth_at }, origin)
  const kept = { id: session.id, client_id: client.id, scope: found.scope, amr: found.amr, auth_at: found.auth_at }
  const answer = await accessAnswer(deps, user, kept, origin)
  const asked = found.scope.split(' ')
  const id_token = asked.includes('openid') ? await accessTokens.signId({
    userId: user.id, clientId: client.id, sessionId: session.id, nonce: found.nonce ?? undefined, authAtMs: found.auth_at, amr: found.amr,
    claims: claimsOf(user, found.scope),
  }, origin.nowMs) : undefined
  const done = await db.execute([
    { sql: 'UPDATE codes SET session_id = :session WHERE hash = :hash AND session_id IS NULL', parameters: { session: session.id, hash }, changes: 1 },
    ...statements,
  ])
  if (done === undefined) {
    const spent = await find()
    if (spent?.session_id) await endOfCode(deps, spent.session_id, spent.user_id, origin)
    throw refused()
  }
  return {
    ...answer, scope: found.scope,
    ...(asked.includes('offline_access') && client.grants.includes('refresh_token') && { refresh_token: session.refreshToken }),
    ...(id_token !== undefined && { id_token }),
  }
}

async function endOfCode({ db, log }: Deps, sessionId: string, userId: string, origin: Origin): Promise<void> {
  await db.execute([
    { sql: 'DELETE FROM sessions WHERE id = :id', parameters: { id: sessionId } },
    auditStatement({ event: 'code.reuse_detected', userId, detail: { session: sessionId } }, origin),
  ])
  log.warn('an authorization code came twice: its session was ended', { session: sessionId, user: userId, address: origin.address })
}

async function refresh(deps: Deps, client: Client, { refresh_token = '', scope }: TokenRequest, origin: Origin): Promise<TokenAnswer> {
  const wanted = scope?.split(' ').filter((one) => one !== '')
  const refreshed = await refreshSession(deps, refresh_token, client.id, origin, (session) => {
    const granted = session.scope.split(' ')
    if (wanted?.some((one) => !granted.includes(one))) throw oauthError('invalid_scope', 'more scopes than were granted')
  }).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'invalid_refresh_token') throw oauthError('invalid_grant', error.message)
    throw error
  })
  const scopeNow = wanted?.join(' ') ?? refreshed.session.scope
  const answer = await accessAnswer(deps, refreshed.user, { ...refreshed.session, scope: scopeNow }, origin)
  return { ...answer, scope: scopeNow, refresh_token: refreshed.refreshToken }
}

/** What a client is told about a person, by scope (OpenID Connect Core, section 5.4). */
export function claimsOf(user: User, scope: string): Record<string, string | boolean | string[]> {
  const asked = scope.split(' ')
  return {
    ...(asked.includes('email') && { email: user.email, email_verified: user.email_verified_at !== null }),
    ...(asked.includes('profile') && { name: user.name }),
    ...(asked.includes('roles') && { roles: [...user.roles] }),
  }
}

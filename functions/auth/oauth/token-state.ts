/** Introspection (RFC 7662) and revocation (RFC 7009): whether a token still counts, and ending it. */
import type { Deps } from '../deps.ts'
import { findApiKey, parseApiKey } from '../people/api-keys.ts'
import { findSession } from '../people/session-tokens.ts'
import { auditStatement } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { findUser } from '../store/users.ts'
import { type AccessClaims, LEEWAY_SECONDS } from '../tokens/access-tokens.ts'
import { isRealRefreshToken, parseRefreshToken } from '../tokens/refresh-tokens.ts'

export type TokenState = { readonly active: false } | ({ readonly active: true } & Readonly<Record<string, unknown>>)

const INACTIVE: TokenState = { active: false }

/** `clientId` asks about its own tokens only; `undefined` is a service, which may ask about all. */
export async function introspect(deps: Deps, token: string, clientId: string | undefined, origin: Origin): Promise<TokenState> {
  const state = await stateOf(deps, token, origin)
  return state.active && (clientId === undefined || state['client_id'] === clientId) ? state : INACTIVE
}

async function stateOf(deps: Deps, token: string, origin: Origin): Promise<TokenState> {
  const { db, vault, settings } = deps
  const parsed = parseRefreshToken(token)
  if (parsed !== undefined) {
    const session = await findSession(deps, parsed.sessionId, origin)
    if (session === undefined || session.generation !== parsed.generation || !isRealRefreshToken(vault, parsed, session.salt)) return INACTIVE
    const user = await findUser(db, session.user_id)
    if (user === undefined || user.disabled_at !== null) return INACTIVE
    return {
      active: true, token_type: 'refresh_token', sub: user.id, sid: session.id, client_id: session.client_id ?? 'self', scope: session.scope,
      iss: settings.issuer, exp: Math.floor(Math.min(session.idle_expires_at, session.expires_at) / 1000),
    }
  }
  const apiKey = parseApiKey(token)
  if (apiKey !== undefined) {
    const key = await findApiKey(deps, apiKey.id, apiKey.secret, origin.nowMs)
    if (key === undefined) return INACTIVE
    return { active: true, token_type: 'api_key', sub: key.user.id, client_id: key.id, scope: '', roles: key.roles, iss: settings.issuer }
  }
  const claims = await deps.accessTokens.verify(token, origin.nowMs)
  if (claims === undefined || !await isAlive(deps, claims, origin)) return INACTIVE
  const { sub, jti, iat, exp, sid, client_id, scope, roles } = claims
  return {
    active: true, token_type: 'Bearer', sub, jti, iat, exp, client_id, scope, roles, iss: settings.issuer, aud: settings.audience,
    ...(sid !== undefined && { sid }),
  }
}

/** What the signature does not tell: not revoked, its session not ended, its person not gone. */
async function isAlive(deps: Deps, { jti, sid, sub, client_id }: AccessClaims, origin: Origin): Promise<boolean> {
  const { db } = deps
  if ((await db.query('SELECT jti FROM revoked_tokens WHERE jti = :jti', { jti })).length > 0) return false
  if (sid !== undefined && await findSession(deps, sid, origin) === undefined) return false
  if (sub === client_id) return (await db.query('SELECT id FROM clients WHERE id = :id', { id: sub })).length > 0
  const user = await findUser(db, sub)
  if (user === undefined || user.disabled_at !== null) return false
  return !client_id.startsWith('key_') || (await db.query('SELECT id FROM api_keys WHERE id = :id', { id: client_id })).length > 0
}

/** Ends a token of this client, and the session it belongs to. Says nothing about tokens that are not: neither did the caller own them. */
export async function revoke(deps: Deps, token: string, clientId: string, origin: Origin): Promise<void> {
  const { db, vault } = deps
  const told = (userId: string, session: string | null): Statement =>
    auditStatement({ event: 'token.revoked', userId, detail: { session, client: clientId } }, origin)
  const parsed = parseRefreshToken(token)
  if (parsed !== undefined) {
    const session = await findSession(deps, parsed.sessionId, origin)
    if (session === undefined || session.client_id !== clientId || !isRealRefreshToken(vault, parsed, session.salt)) return
    await db.execute([endSession(session.id), told(session.user_id, session.id)])
    return
  }
  const claims = await deps.accessTokens.verify(token, origin.nowMs)
  if (claims === undefined || claims.client_id !== clientId) return
  await db.execute([forbidToken(claims), ...claims.sid === undefined ? [] : [endSession(claims.sid)], told(claims.sub, claims.sid ?? null)])
}

function endSession(id: string): Statement {
  return { sql: 'DELETE FROM sessions WHERE id = :id', parameters: { id } }
}

function forbidToken({ jti, exp }: AccessClaims): Statement {
  return {
    sql: 'INSERT INTO revoked_tokens (jti, expires_at) VALUES (:jti, :expires_at) ON CONFLICT DO NOTHING',
    parameters: { jti, expires_at: (exp + LEEWAY_SECONDS) * 1000 },
  }
}

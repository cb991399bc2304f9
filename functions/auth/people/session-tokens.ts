/** What a session gives its owner: access tokens, and the refresh token that rotates. */
import { randomBytes } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { auditStatement } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { endSessions, type NewSession, readSession, type Session, sessionColumns, showSession, startSession } from '../store/sessions.ts'
import { readUser, type User, userColumns } from '../store/users.ts'
import { newId } from '../tokens/opaque.ts'
import { isRealRefreshToken, parseRefreshToken, refreshToken } from '../tokens/refresh-tokens.ts'

/** The form of RFC 6749, section 5.1. */
export type TokenAnswer = {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly refresh_token?: string
  readonly scope?: string
  readonly id_token?: string
  readonly session_id?: string
}

/** What first-party logins get as `client_id`: this service itself. */
export const OWN_CLIENT = 'self'
const SALT_BYTES = 16

export type OpenedSession = NewSession & { readonly refreshToken: string }

/** A new session and its first refresh token; the statements go into the caller's transaction. */
export function openSession(
  { vault, settings }: Deps, plan: Omit<NewSession, 'id' | 'salt'>, origin: Origin,
): { readonly session: OpenedSession; readonly statements: readonly Statement[] } {
  const id = newId('ses')
  const salt = randomBytes(SALT_BYTES).toString('base64url')
  const session = { ...plan, id, salt }
  return {
    session: { ...session, refreshToken: refreshToken(vault, id, 1, salt) },
    statements: startSession(session, { idleMs: settings.sessionIdleMs, maxMs: settings.sessionMaxMs }, origin),
  }
}

export async function accessAnswer(
  { accessTokens, settings }: Deps, user: User, session: Pick<Session, 'id' | 'client_id' | 'scope' | 'amr' | 'auth_at'>, origin: Origin,
): Promise<TokenAnswer> {
  const access_token = await accessTokens.sign({
    userId: user.id, sessionId: session.id, clientId: session.client_id ?? OWN_CLIENT, scope: session.scope,
    // A client that was not given the scope learns nothing of what its user may do elsewhere.
    roles: session.client_id === null || session.scope.split(' ').includes('roles') ? user.roles : [],
    authAtMs: session.auth_at, amr: session.amr,
  }, origin.nowMs)
  return { access_token, token_type: 'Bearer', expires_in: Math.ceil(settings.accessTokenMs / 1000) }
}

export type Refreshed = { readonly user: User; readonly session: Session; readonly refreshToken: string }

/**
 * Spends a refresh token and makes the next one, in one transaction. A token that was spent before ends the session: either its
 * owner or a thief holds the newer one. Only within `refresh_grace` may the last one come again, for answers that got lost; it
 * brings the same next token, so there is never more than one that works. `check` may throw before anything is spent.
 */
export async function refreshSession(
  deps: Deps, token: string, clientId: string | null, origin: Origin, check: (session: Session) => void = () => undefined,
): Promise<Refreshed> {
  const { db, vault, settings, log } = deps
  const parsed = parseRefreshToken(token)
  if (parsed === undefined) throw invalidRefreshToken()
  const { sessionId, generation } = parsed
  const session = await findSession(deps, sessionId, origin)
  if (session === undefined || !isRealRefreshToken(vault, parsed, session.salt) || session.client_id !== clientId) {
    throw invalidRefreshToken()
  }
  check(session)

  const now = origin.nowMs
  const results = await db.execute([
    {
      sql: `UPDATE sessions SET generation = generation + 1, used_at = :now, idle_expires_at = :idle, address = :address
        WHERE id = :id AND generation = :generation AND expires_at > :now AND idle_expires_at > :now
        AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND disabled_at IS NULL)`,
      parameters: { id: sessionId, generation, now, idle: now + settings.sessionIdleMs, address: origin.address }, changes: 1,
    },
    { sql: `SELECT ${userColumns} FROM users WHERE id = :id`, parameters: { id: session.user_id } },
  ])
  const [row] = results?.at(-1)?.rows ?? []
  if (row !== undefined) return { user: readUser(row), session, refreshToken: refreshToken(vault, sessionId, generation + 1, session.salt) }

  const latest = await findSession(deps, sessionId, origin)
  if (latest === undefined) throw invalidRefreshToken()
  const [userRow] = await db.query(`SELECT ${userColumns} FROM users WHERE id = :id AND disabled_at IS NULL`, { id: latest.user_id })
  if (userRow === undefined || latest.generation <= generation) throw invalidRefreshToken()
  // Of calls at the same moment the later one may have begun before: then the difference is negative, and no grace must stay none.
  if (latest.generation === generation + 1 && Math.max(0, now - latest.used_at) < settings.refreshGraceMs) {
    return { user: readUser(userRow), session: latest, refreshToken: refreshToken(vault, sessionId, latest.generation, latest.salt) }
  }
  await db.execute([
    { sql: 'DELETE FROM sessions WHERE id = :id', parameters: { id: sessionId } },
    auditStatement({ event: 'session.reuse_detected', userId: latest.user_id, detail: { session: sessionId, generation, latest: latest.generation } }, origin),
  ])
  log.warn('a refresh token came twice: its session was ended', { session: sessionId, user: latest.user_id, address: origin.address })
  throw invalidRefreshToken()
}

/** One that is alive. */
export async function findSession({ db }: Pick<Deps, 'db'>, id: string, { nowMs }: Origin): Promise<Session | undefined> {
  const [row] = await db.query(
    `SELECT ${sessionColumns} FROM sessions WHERE id = :id AND expires_at > :now AND idle_expires_at > :now`, { id, now: nowMs })
  return row === undefined ? undefined : readSession(row)
}

export function invalidRefreshToken(): Problem {
  return new Problem(401, 'invalid_refresh_token', 'the refresh token is wrong, over or was used before: log in again')
}

/** The session of a refresh token, whichever of its tokens it is; nothing to end is fine. */
export async function endOwnSession(deps: Deps, token: string, origin: Origin): Promise<void> {
  const parsed = parseRefreshToken(token)
  const session = parsed === undefined ? undefined : await findSession(deps, parsed.sessionId, origin)
  if (parsed === undefined || session === undefined || session.client_id !== null || !isRealRefreshToken(deps.vault, parsed, session.salt)) return
  await deps.db.execute([
    { sql: 'DELETE FROM sessions WHERE id = :id', parameters: { id: session.id } },
    auditStatement({ event: 'session.ended', userId: session.user_id, detail: { session: session.id } }, origin),
  ])
}

export async function listSessions({ db }: Deps, current: Session, { nowMs }: Origin) {
  const rows = await db.query(
    `SELECT ${sessionColumns} FROM sessions WHERE user_id = :user_id AND expires_at > :now AND idle_expires_at > :now ORDER BY used_at DESC, id`,
    { user_id: current.user_id, now: nowMs })
  return rows.map((row) => showSession(readSession(row), current.id))
}

export async function endSession({ db }: Deps, userId: string, id: string, origin: Origin): Promise<void> {
  const done = await db.execute([
    { sql: 'DELETE FROM sessions WHERE id = :id AND user_id = :user_id', parameters: { id, user_id: userId }, changes: 1 },
    auditStatement({ event: 'session.ended', userId, detail: { session: id } }, origin),
  ])
  if (done === undefined) throw new Problem(404, 'not_found', `there is no session ${id}`)
}

export async function endOtherSessions({ db }: Deps, current: Session, origin: Origin): Promise<void> {
  await db.execute([
    endSessions(current.user_id, current.id),
    auditStatement({ event: 'session.all_ended', userId: current.user_id, detail: { but: current.id } }, origin),
  ])
}

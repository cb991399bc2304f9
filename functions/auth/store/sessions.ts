/** Sessions as they lie in the database: one row each, alive as long as it is there and not over. */
import * as z from 'zod'
import type { Row, Statement } from '@bramble/runtime/service/database'
import type { Origin } from './origin.ts'

export type Session = z.output<typeof sessionRow>

const list = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))
const sessionRow = z.object({
  id: z.string(), user_id: z.string(), client_id: z.string().nullable(), scope: z.string(), amr: list, auth_at: z.number(),
  created_at: z.number(), used_at: z.number(), idle_expires_at: z.number(), expires_at: z.number(),
  address: z.string(), user_agent: z.string(), generation: z.number(), salt: z.string(),
})

export const sessionColumns = `id, user_id, client_id, scope, amr, auth_at, created_at, used_at, idle_expires_at, expires_at,
  address, user_agent, generation, salt`

export type SessionTimes = {
  /** Without a refresh for so long it is over. */
  readonly idleMs: number
  /** However often it is refreshed. */
  readonly maxMs: number
}

/** One person has no more; the oldest end. */
const MAX_PER_USER = 50
const MAX_USER_AGENT = 200

export function readSession(row: Row): Session {
  return sessionRow.parse(row)
}

export type NewSession = {
  readonly id: string
  readonly salt: string
  readonly userId: string
  readonly clientId: string | null
  readonly scope: string
  readonly amr: readonly string[]
  readonly authAtMs: number
}

/** The second one keeps the number bounded. */
export function startSession(
  { id, salt, userId, clientId, scope, amr, authAtMs }: NewSession, { idleMs, maxMs }: SessionTimes, origin: Origin,
): Statement[] {
  const { nowMs: now, address, userAgent } = origin
  return [
    {
      sql: `INSERT INTO sessions (${sessionColumns}) VALUES (:id, :user_id, :client_id, :scope, :amr, :auth_at, :now, :now,
        :idle_expires_at, :expires_at, :address, :user_agent, 1, :salt)`,
      parameters: {
        id, user_id: userId, client_id: clientId, scope, amr: JSON.stringify(amr), auth_at: authAtMs, now,
        idle_expires_at: now + idleMs, expires_at: now + maxMs, address, user_agent: userAgent.slice(0, MAX_USER_AGENT), salt,
      },
    },
    {
      sql: `DELETE FROM sessions WHERE user_id = :user_id AND id IN
        (SELECT id FROM sessions WHERE user_id = :user_id ORDER BY used_at DESC, id LIMIT -1 OFFSET :max)`,
      parameters: { user_id: userId, max: MAX_PER_USER },
    },
  ]
}

/** Ends those of a person, all but one. */
export function endSessions(userId: string, exceptId = ''): Statement {
  return { sql: 'DELETE FROM sessions WHERE user_id = :user_id AND id <> :except', parameters: { user_id: userId, except: exceptId } }
}

export function showSession(session: Session, currentId: string | undefined) {
  return {
    id: session.id, client_id: session.client_id, address: session.address, user_agent: session.user_agent, methods: session.amr,
    created_at: new Date(session.created_at).toISOString(), used_at: new Date(session.used_at).toISOString(),
    expires_at: new Date(Math.min(session.idle_expires_at, session.expires_at)).toISOString(), current: session.id === currentId,
  }
}

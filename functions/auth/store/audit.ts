/** The log of security events: written in the same transaction as what it tells of. */
import * as z from 'zod'
import type { Database, Statement } from '@bramble/runtime/service/database'
import type { Origin } from './origin.ts'

export type AuditEvent =
  | 'account.registered' | 'account.register_existing' | 'account.verified' | 'account.created' | 'account.changed' | 'account.deleted' | 'account.exported'
  | 'login.succeeded' | 'login.failed' | 'login.second_factor_failed'
  | 'password.forgotten' | 'password.reset' | 'password.changed' | 'password.rehashed'
  | 'second_factor.enabled' | 'second_factor.disabled' | 'second_factor.recovery_used' | 'second_factor.codes_renewed'
  | 'session.ended' | 'session.all_ended' | 'session.reuse_detected' | 'token.revoked'
  | 'api_key.created' | 'api_key.deleted' | 'client.created' | 'client.deleted'
  | 'code.reuse_detected' | 'signing_key.created' | 'admin.set'

export type AuditEntry = {
  readonly event: AuditEvent
  readonly userId?: string | undefined
  /** Never a secret, a password, a token or a mail address. */
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>
}

/** What a caller may send as its name is cut: the log is not a place to store things. */
const MAX_USER_AGENT = 200

/** `condition` is SQL: without it nothing is written, `EXISTS (…)` for example. */
export function auditStatement(
  { event, userId, detail = {} }: AuditEntry, origin: Origin, condition = 'TRUE', parameters: Statement['parameters'] = {},
): Statement {
  return {
    event,
    sql: `INSERT INTO audit (at, event, user_id, address, user_agent, call_id, detail)
      SELECT :audit_at, :audit_event, :audit_user, :audit_address, :audit_agent, :audit_call, :audit_detail WHERE ${condition}`,
    parameters: {
      ...parameters,
      audit_at: origin.nowMs, audit_event: event, audit_user: userId ?? null, audit_address: origin.address,
      audit_agent: origin.userAgent.slice(0, MAX_USER_AGENT), audit_call: origin.callId, audit_detail: JSON.stringify(detail),
    },
  }
}

const auditRow = z.object({
  id: z.number(), at: z.number(), event: z.string(), user_id: z.string().nullable(), address: z.string(), user_agent: z.string(),
  call_id: z.string(), detail: z.string(),
})
const detailSchema = z.record(z.string(), z.unknown())

export type AuditQuery = { readonly before: number; readonly limit: number; readonly userId?: string | undefined }

/** The latest first. */
export async function readAudit(db: Database, { before, limit, userId }: AuditQuery) {
  const rows = await db.query(
    `SELECT id, at, event, user_id, address, user_agent, call_id, detail FROM audit WHERE id < :before
      ${userId === undefined ? '' : 'AND user_id = :user_id'} ORDER BY id DESC LIMIT :limit`,
    { before, limit, ...(userId !== undefined && { user_id: userId }) })
  return rows.map((row) => {
    const { at, detail, ...rest } = auditRow.parse(row)
    return { ...rest, at: new Date(at).toISOString(), detail: detailSchema.parse(JSON.parse(detail)) }
  })
}

/** An account in its owner's hands: its name, all that is known about it, and its end. */
import type { Deps } from '../deps.ts'
import { auditStatement, readAudit } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { readSession, sessionColumns, showSession } from '../store/sessions.ts'
import { showUser, type User } from '../store/users.ts'
import { listApiKeys } from './api-keys.ts'
import { confirmBoth, finish, type SecondFactor } from './second-factor.ts'

/** Of the events about oneself; the newest. */
const MAX_EVENTS = 1000

/** Everything that is kept about a person, but for the secrets (GDPR, articles 15 and 20). */
export async function exportAccount({ db }: Deps, user: User, origin: Origin) {
  const sessions = await db.query(`SELECT ${sessionColumns} FROM sessions WHERE user_id = :id ORDER BY created_at`, { id: user.id })
  const events = await readAudit(db, { before: Number.MAX_SAFE_INTEGER, limit: MAX_EVENTS, userId: user.id })
  await db.execute([auditStatement({ event: 'account.exported', userId: user.id }, origin)])
  return {
    exported_at: new Date(origin.nowMs).toISOString(),
    account: showUser(user),
    sessions: sessions.map((row) => showSession(readSession(row), undefined)),
    api_keys: await listApiKeys(db, user.id),
    events,
  }
}

/** For good, with all sessions and keys. What stays is the log of events, which names the account by its id only. */
export async function deleteAccount(
  deps: Deps, user: User, proof: SecondFactor & { readonly password: string }, origin: Origin,
): Promise<void> {
  const statements = await confirmBoth(deps, user, proof, origin)
  await finish(deps, user, origin, [...statements, ...withoutUser(user.id), auditStatement({ event: 'account.deleted', userId: user.id }, origin)])
}

export function withoutUser(id: string): readonly Statement[] {
  return [
    ...['sessions', 'recovery_codes', 'mail_tokens', 'api_keys', 'codes'].map((table) => ({
      sql: `DELETE FROM ${table} WHERE user_id = :id`, parameters: { id },
    })),
    { sql: 'DELETE FROM users WHERE id = :id', parameters: { id }, changes: 1 },
  ]
}

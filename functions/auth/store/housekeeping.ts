/** Removes what is over. Nothing depends on it being done in time: everything is read with its end in mind. */
import type { Log } from '@bramble/runtime'
import type { Database } from '@bramble/runtime/service/database'

/** At most so often, and only while there are calls: a service that sleeps keeps nothing awake. */
const EVERY_MS = 600_000

export function createHousekeeping(
  { db, log, auditRetentionMs }: { readonly db: Database; readonly log: Log; readonly auditRetentionMs: number },
): (nowMs: number) => void {
  let lastMs = 0
  return (nowMs) => {
    if (nowMs - lastMs < EVERY_MS) return
    lastMs = nowMs
    const over = (sql: string, atMs = nowMs) => ({ sql, parameters: { now: atMs } })
    db.execute([
      over('DELETE FROM attempts WHERE forget_at <= :now AND blocked_until <= :now'),
      over('DELETE FROM sessions WHERE expires_at <= :now OR idle_expires_at <= :now'),
      over('DELETE FROM mail_tokens WHERE expires_at <= :now'),
      over('DELETE FROM codes WHERE expires_at <= :now', nowMs - EVERY_MS),
      over('DELETE FROM revoked_tokens WHERE expires_at <= :now'),
      over('DELETE FROM kept_answers WHERE expires_at <= :now'),
      over('DELETE FROM audit WHERE at <= :now', nowMs - auditRetentionMs),
      over(`DELETE FROM users WHERE email_verified_at IS NULL AND created_at <= :now
        AND NOT EXISTS (SELECT 1 FROM mail_tokens WHERE mail_tokens.user_id = users.id)`, nowMs - EVERY_MS),
    ]).catch((error: unknown) => log.warn('what is over could not be removed', { error }))
  }
}

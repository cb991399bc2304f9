/** Answers to calls with an `Idempotency-Key`, kept in the transaction that does what the call asks for. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import type { KeptCall } from '@bramble/runtime/service/idempotency'
import * as z from 'zod'
import { NOW } from './clock.ts'

/** How long a key is remembered. */
const KEEP_MS = 24 * 60 * 60 * 1000
const keptRow = z.object({ fingerprint: z.string(), status: z.number(), body: z.string() })

export async function findAnswer(db: Database, scope: string, key: string): Promise<KeptCall | undefined> {
  const [row] = await db.query(`SELECT fingerprint, status, body FROM kept_answers WHERE key = :key AND expires_at > ${NOW}`, { key: `${scope} ${key}` })
  return row === undefined ? undefined : keptRow.parse(row)
}

/** Two replicas with the same key at once: the second one's transaction fails, and its caller comes again. */
export function keepAnswer(scope: string, { key, fingerprint, status, body }: KeptCall & { readonly key: string }): readonly Statement[] {
  const place = `${scope} ${key}`
  return [
    { sql: `DELETE FROM kept_answers WHERE key = :key AND expires_at <= ${NOW}`, parameters: { key: place } },
    {
      sql: `INSERT INTO kept_answers (key, fingerprint, status, body, expires_at) VALUES (:key, :fingerprint, :status, :body, ${NOW} + ${KEEP_MS})`,
      parameters: { key: place, fingerprint, status, body },
    },
  ]
}

/**
 * Calls with an `Idempotency-Key`, kept in the database that they change, in the same transaction: whatever happens, the key is
 * there exactly when the change is. The answer follows in a second transaction, before it is sent.
 */
import { log } from '@bramble/runtime'
import type { Answer } from '@bramble/runtime/service/answer'
import type { KeyStore } from '@bramble/runtime/service/idempotency'
import { Problem } from '@bramble/runtime/service/problem'
import { asProblem } from './data-problem.ts'
import type { Engine } from './engine/engine.ts'
import { DataError } from './engine/errors.ts'
import type { Statement } from './engine/types.ts'

/** How long a key is remembered. */
export const KEY_LIFE_MS = 24 * 60 * 60 * 1000
/** Of an answer; of a longer one only that the call was carried out. */
const MAX_KEPT_BYTES = 256 * 1024
const TABLE = '_bramble_calls'

/** What goes before the statements of the call. */
export function keyStatements({ key, fingerprint }: { readonly key: string; readonly fingerprint: string }, owner: string, nowMs: number): readonly Statement[] {
  return [
    // Without rowids of its own: it must not change what last_insert_rowid() says.
    { sql: `CREATE TABLE IF NOT EXISTS ${TABLE} (key TEXT, owner TEXT, fingerprint TEXT NOT NULL, at INTEGER NOT NULL, status INTEGER, body TEXT, PRIMARY KEY (key, owner)) WITHOUT ROWID` },
    { sql: `CREATE INDEX IF NOT EXISTS ${TABLE}_at ON ${TABLE} (at)` },
    { sql: `DELETE FROM ${TABLE} WHERE at < ?`, parameters: [nowMs - KEY_LIFE_MS] },
    { sql: `INSERT INTO ${TABLE} (key, owner, fingerprint, at) VALUES (?, ?, ?, ?)`, parameters: [key, owner, fingerprint, nowMs] },
  ]
}

/** The change is done by now: what goes wrong here must not look as if it was not. Answers the number of this change, if there was one. */
export async function keepAnswer(engine: Engine, database: string, key: string, owner: string, { status, body }: Answer): Promise<number | undefined> {
  const text = String(body)
  if (Buffer.byteLength(text) > MAX_KEPT_BYTES) return undefined
  try {
    const { record } = await engine.execute(database, { statements: [{ sql: `UPDATE ${TABLE} SET status = ?, body = ? WHERE key = ? AND owner = ?`, parameters: [status, text, key, owner] }] })
    return record
  } catch (error) {
    log.warn('the answer to a call with a key could not be kept', { database, error })
    return undefined
  }
}

export function createKeptCalls(engine: Engine, database: string, owner: string): KeyStore {
  return {
    async find(key) {
      const sql = `SELECT fingerprint, status, body FROM ${TABLE} WHERE key = ? AND owner = ?`
      const query = engine.query(database, { sql, parameters: [key, owner] }).catch((error: unknown) => {
        // The first call with a key makes the table.
        if (error instanceof DataError && error.code === 'SQL') return undefined
        throw error
      })
      const [fingerprint, status, body] = (await asProblem(query))?.result.rows[0] ?? []
      if (typeof fingerprint !== 'string') return undefined
      if (typeof status !== 'number' || typeof body !== 'string') {
        throw new Problem(409, 'answer_lost', 'this call was carried out, but its answer was not kept: read what it has changed')
      }
      return { fingerprint, status, body }
    },
  }
}

/**
 * Answers to calls with an `Idempotency-Key`, kept in the transaction that does what the call asks for: a call that is sent again
 * finds it done and told, or not done at all. Sealed: an answer may hold a secret that is shown once.
 */
import { createHash } from 'node:crypto'
import type { KeptCall } from '@bramble/runtime/service/idempotency'
import * as z from 'zod'
import type { Vault } from '../tokens/vault.ts'
import type { Database, Statement } from '@bramble/runtime/service/database'

/** Given the answer, the statements that keep it. */
export type Keep<Body> = (body: Body) => readonly Statement[]

/** How long a key is remembered. */
const KEEP_MS = 24 * 60 * 60 * 1000
const PURPOSE = 'kept answer'

const keptRow = z.object({ fingerprint: z.string(), answer: z.string() })
const keptText = z.object({ status: z.number(), body: z.string() })

export type KeptAnswers = {
  find(scope: string, key: string, nowMs: number): Promise<KeptCall | undefined>
  keep(scope: string, call: Pick<KeptCall, 'fingerprint' | 'status' | 'body'> & { readonly key: string }, nowMs: number): readonly Statement[]
}

export function createKeptAnswers({ db, vault }: { readonly db: Database; readonly vault: Vault }): KeptAnswers {
  return {
    async find(scope, key, nowMs) {
      const [row] = await db.query(
        'SELECT fingerprint, answer FROM kept_answers WHERE key = :key AND expires_at > :now', { key: placeOf(scope, key), now: nowMs })
      if (row === undefined) return undefined
      const { fingerprint, answer } = keptRow.parse(row)
      return { fingerprint, ...keptText.parse(JSON.parse(vault.open(PURPOSE, answer))) }
    },

    keep(scope, { key, fingerprint, status, body }, nowMs) {
      const place = placeOf(scope, key)
      return [
        { sql: 'DELETE FROM kept_answers WHERE key = :key AND expires_at <= :now', parameters: { key: place, now: nowMs } },
        {
          // Two replicas with the same key at once: the second one's transaction fails, and its caller comes again.
          sql: 'INSERT INTO kept_answers (key, fingerprint, answer, expires_at) VALUES (:key, :fingerprint, :answer, :expires_at)',
          parameters: { key: place, fingerprint, answer: vault.seal(PURPOSE, JSON.stringify({ status, body })), expires_at: nowMs + KEEP_MS },
        },
      ]
    },
  }
}

function placeOf(scope: string, key: string): string {
  return createHash('sha256').update(`${scope} ${key}`).digest('base64url')
}

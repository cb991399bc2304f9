/**
 * Letters wait in the database, sealed, and are written in the transaction that they belong to: a crash between a change and its
 * letter loses nothing. Delivery is at least once. Several replicas may deliver: each takes a letter for a while.
 */
import type { Log } from '@bramble/runtime'
import * as z from 'zod'
import type { Database, Statement } from '@bramble/runtime/service/database'
import { newId } from '../tokens/opaque.ts'
import type { Vault } from '../tokens/vault.ts'
import type { Letter } from './letters.ts'
import type { Mailer } from './mailer.ts'

export type Outbox = {
  /** For a transaction: puts a letter in. `condition` is SQL; without it being true there is no letter. */
  put(letter: Letter, nowMs: number, condition?: string, parameters?: Statement['parameters']): Statement
  /** Delivers what waits; call it after the transaction, and do not wait: how long it takes must tell nobody anything. */
  deliver(): void
}

const PURPOSE = 'letter'
/** A replica that died with a letter in its hand leaves it to others after so long. */
const LEASE_MS = 60_000
const MAX_TRIES = 12
/** After each failure twice as long, up to this. */
const FIRST_RETRY_MS = 5000
const MAX_RETRY_MS = 3_600_000
const BATCH = 10
/** How often an outbox that may hold something is looked into. */
const LOOK_MS = 30_000

const letterRow = z.object({ id: z.string(), letter: z.string(), tries: z.number() })
const letterText = z.object({ to: z.string(), subject: z.string(), text: z.string() })

export type OutboxDeps = { readonly db: Database; readonly vault: Vault; readonly mailer: Mailer; readonly log: Log; readonly now: () => number }

export function createOutbox({ db, vault, mailer, log, now }: OutboxDeps): Outbox {
  let running: Promise<void> | undefined
  let isAskedAgain = false
  let timer: NodeJS.Timeout | undefined

  const deliverOne = async ({ id, letter, tries }: z.output<typeof letterRow>): Promise<void> => {
    const nowMs = now()
    const taken = await db.execute([{
      sql: 'UPDATE outbox SET tries = tries + 1, due_at = :lease WHERE id = :id AND tries = :tries',
      parameters: { id, tries, lease: nowMs + LEASE_MS }, changes: 1,
    }])
    if (taken === undefined) return
    try {
      await mailer.send(letterText.parse(JSON.parse(vault.open(PURPOSE, letter))))
    } catch (error) {
      const retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** tries)
      const isLast = tries + 1 >= MAX_TRIES
      log.warn(isLast ? 'a letter was given up' : 'a letter could not be delivered', { letter: id, tries: tries + 1, error })
      await db.execute([isLast ? { sql: 'DELETE FROM outbox WHERE id = :id', parameters: { id } }
        : { sql: 'UPDATE outbox SET due_at = :due WHERE id = :id', parameters: { id, due: now() + retryMs } }])
      return
    }
    await db.execute([{ sql: 'DELETE FROM outbox WHERE id = :id', parameters: { id } }])
  }

  /** Answers whether letters are left, for later. */
  const deliverAll = async (): Promise<boolean> => {
    for (;;) {
      const due = await db.query('SELECT id, letter, tries FROM outbox WHERE due_at <= :now ORDER BY due_at LIMIT :batch', { now: now(), batch: BATCH })
      for (const row of due) await deliverOne(letterRow.parse(row))
      if (due.length === 0) break
    }
    return (await db.query('SELECT id FROM outbox LIMIT 1')).length > 0
  }

  const deliver = (): void => {
    isAskedAgain = running !== undefined
    running ??= deliverAll()
      .catch((error: unknown) => {
        log.warn('the outbox could not be worked off', { error })
        return true
      })
      .then((isLeft) => {
        running = undefined
        clearTimeout(timer)
        // Unreferenced: a waiting letter keeps no process alive; the next one that starts looks too.
        if (isLeft) timer = setTimeout(deliver, LOOK_MS).unref()
        if (isAskedAgain) deliver()
      })
  }

  return {
    put: (letter, nowMs, condition = 'TRUE', parameters = {}) => ({
      sql: `INSERT INTO outbox (id, letter, created_at, due_at, tries) SELECT :letter_id, :letter, :letter_now, :letter_now, 0 WHERE ${condition}`,
      parameters: { ...parameters, letter_id: newId('let'), letter: vault.seal(PURPOSE, JSON.stringify(letter)), letter_now: nowMs },
    }),
    deliver,
  }
}

/**
 * Room in the database. Of three parts, jobs that wait may take two; the rest is for what becomes of them. History makes room first, the
 * oldest of it, then dead letters, and only when there is nothing left of either does anybody notice.
 */
import type { Database, Statement } from '@bramble/runtime/service/database'
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import { NOW } from './clock.ts'

/** Of the database's limit. Above it no job is made. */
export const FULL_FOR_JOBS = 0.7
/** History goes until no more than this is used. */
const ENOUGH_ROOM = 0.6
/** Above it dead letters go, too, and results are kept without their text. */
export const FULL_FOR_RESULTS = 0.85
/** Of rows in one go, each with up to 100 KB: a transaction must not hold up the others. */
const BATCH = 200
const MAX_BATCHES = 200
const HISTORY = "state IN ('succeeded', 'cancelled') AND ended_at IS NOT NULL"
const LETTERS = "state = 'dead' AND ended_at IS NOT NULL"

/** How much of the database is used, from 0 to 1; what was deleted counts no more. */
export const USED = `(SELECT CAST(page_count - freelist_count AS REAL) / max_page_count FROM pragma_page_count, pragma_freelist_count, pragma_max_page_count)`

const state = z.object({ used: z.number(), history: z.number(), letters: z.number() })

export type Room = {
  /** Removes the oldest of what is over until there is enough, and answers how much is used then. Callers at the same time share one go. */
  make(): Promise<number>
}

export function createRoom(db: Database, onLettersRemoved: (count: number) => void): Room {
  let making: Promise<number> | undefined

  const make = async (): Promise<number> => {
    for (let i = 0; ; i++) {
      const [row] = await db.query(`SELECT ${USED} AS used, EXISTS (SELECT 1 FROM runs WHERE ${HISTORY}) AS history, EXISTS (SELECT 1 FROM runs WHERE ${LETTERS}) AS letters`)
      const { used, history, letters } = state.parse(row)
      if (used <= ENOUGH_ROOM || i === MAX_BATCHES) return used
      if (history > 0) await db.execute(oldest(HISTORY))
      else if (letters > 0 && used > FULL_FOR_RESULTS) onLettersRemoved((await db.execute(oldest(LETTERS)))?.[0]?.changes ?? 0)
      else return used
    }
  }
  return { make: () => making ??= make().finally(() => { making = undefined }) }
}

/** Runs that are over, and the jobs that are over and have none left. */
function oldest(which: string): readonly Statement[] {
  return [
    { sql: `DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ${which} ORDER BY ended_at LIMIT ${BATCH})` },
    { sql: `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs j WHERE ${JOB_IS_DONE_WITH} LIMIT ${BATCH})` },
    { sql: 'DELETE FROM dependencies WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = job_id)' },
    { sql: `DELETE FROM kept_answers WHERE expires_at <= ${NOW}` },
  ]
}

/** Of table `jobs j`: over, without runs, and nobody waits for it. */
export const JOB_IS_DONE_WITH = `ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE job_id = j.id)
  AND NOT EXISTS (SELECT 1 FROM dependencies d JOIN jobs w ON w.id = d.job_id WHERE d.on_job = j.id AND w.ended_at IS NULL)`

export function isFull(error: unknown): boolean {
  return error instanceof Problem && error.status === 507
}

/** Removes what is over. Nothing depends on it being done in time, or once: each replica does it now and then. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import type { Settings } from '../settings.ts'
import { NOW } from './clock.ts'
import { JOB_IS_DONE_WITH } from './room.ts'

/** Of rows in one go: a transaction must not hold up the others. */
const BATCH = 500

/** Answers how many rows went. */
export async function tidy(db: Database, { historyMs, historyRuns, deadLetterMs }: Pick<Settings, 'historyMs' | 'historyRuns' | 'deadLetterMs'>): Promise<number> {
  const statements: readonly Statement[] = [
    over(`state IN ('succeeded', 'cancelled') AND ended_at <= ${NOW} - :age`, { age: historyMs }),
    over(`state = 'dead' AND ended_at <= ${NOW} - :age`, { age: deadLetterMs }),
    {
      sql: `DELETE FROM runs WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY job_id ORDER BY ended_at DESC, id DESC) AS place
        FROM runs WHERE state IN ('succeeded', 'cancelled') AND ended_at IS NOT NULL) WHERE place > :keep LIMIT ${BATCH})`,
      parameters: { keep: historyRuns },
    },
    {
      sql: `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs j WHERE ended_at <= ${NOW} - :age AND ${JOB_IS_DONE_WITH} LIMIT ${BATCH})`,
      parameters: { age: historyMs },
    },
    { sql: 'DELETE FROM dependencies WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = job_id)' },
    // One that lives shows itself again with its next runs, by a beat that it has never shown.
    { sql: "DELETE FROM replicas WHERE owner NOT IN (SELECT owner FROM runs WHERE state = 'running')" },
    { sql: `DELETE FROM kept_answers WHERE expires_at <= ${NOW}` },
  ]
  const results = await db.execute(statements)
  return results?.reduce((sum, { changes }) => sum + changes, 0) ?? 0
}

function over(where: string, parameters: Statement['parameters'] = {}): Statement {
  return { sql: `DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ${where} AND ended_at IS NOT NULL LIMIT ${BATCH})`, parameters }
}

/** Taking runs: the transaction that gives each one to exactly one replica, with a fencing number that only grows. */
import type { Result, Statement } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { Spec } from '../http/shapes.ts'
import { NOW } from './clock.ts'
import { MAY_BEGIN, RATE_LEFT } from './look.ts'

export type Claim = {
  readonly owner: string
  /** Of this attempt to take some: whose answer was lost can be asked for. */
  readonly claim: string
  readonly beat: number
  /** Runs of each of these queues, at most so many. */
  readonly queues: readonly { readonly name: string; readonly max: number }[]
}

const takenRow = z.object({
  id: z.string(), job_id: z.string(), name: z.string(), kind: z.enum(['call', 'webhook']), queue: z.string(), due_at: z.number(), attempts: z.number(),
  lapses: z.number(), fence: z.number(), cancel: z.number(), next_at: z.number(), started_at: z.number(), body: z.string().nullable(), spec: z.string(),
})

export type TakenRun = Omit<z.output<typeof takenRow>, 'spec'> & { readonly spec: Spec }

const RUNNING_OF_CLAIM = `SELECT r.id, r.job_id, j.name, r.kind, r.queue, r.due_at, r.attempts, r.lapses, r.fence, r.cancel, r.next_at, r.started_at, r.body, j.spec
  FROM runs r JOIN jobs j ON j.id = r.job_id WHERE r.state = 'running' AND r.claim = :claim`

/** The last result of them is that of the runs. */
export function claimStatements({ owner, claim, beat, queues }: Claim): readonly Statement[] {
  const reserved = queues.reduce((sum, { max }) => sum + max, 0)
  let offset = 0
  const takes = queues.flatMap(({ name, max }) => {
    const take: Statement = {
      // The order of the inner SELECT is that of an index; its LIMIT ends it after as many as there are places.
      sql: `WITH clock(now) AS MATERIALIZED (SELECT ${NOW}),
        places(n) AS (SELECT MIN(:max, q.concurrency - (SELECT COUNT(*) FROM runs WHERE state = 'running' AND queue = q.name),
          CASE WHEN q.rate_count IS NULL THEN :max ELSE ${RATE_LEFT} END) FROM queues q, clock WHERE q.name = :queue AND q.paused = 0),
        picked AS (SELECT id, ROW_NUMBER() OVER () AS n FROM (SELECT r.id FROM runs r, clock WHERE r.queue = :queue AND ${MAY_BEGIN}
          ORDER BY r.priority DESC, r.next_at, r.id LIMIT MAX(0, COALESCE((SELECT n FROM places), 0))))
        UPDATE runs SET state = 'running', owner = :owner, claim = :claim, attempts = attempts + 1, started_at = clock.now,
          fence = (SELECT value FROM counters WHERE name = 'fence') - :reserved + :offset + picked.n
        FROM picked, clock WHERE runs.id = picked.id`,
      parameters: { max, queue: name, owner, claim, reserved, offset },
    }
    offset += max
    const count: Statement = {
      sql: `UPDATE queues SET rate_next = MAX(rate_next, ${NOW}) + CAST(rate_period_ms AS REAL) / rate_count
        * (SELECT COUNT(*) FROM runs WHERE state = 'running' AND queue = :queue AND claim = :claim) WHERE name = :queue AND rate_count IS NOT NULL`,
      parameters: { queue: name, claim },
    }
    return [take, count]
  })
  return [
    beatStatement(owner, beat),
    { sql: "UPDATE counters SET value = value + :reserved WHERE name = 'fence'", parameters: { reserved } },
    ...takes,
    { sql: RUNNING_OF_CLAIM, parameters: { claim } },
  ]
}

/** Says that the replica is alive: `beat` is another one each time. */
export function beatStatement(owner: string, beat: number): Statement {
  return {
    sql: 'INSERT INTO replicas (owner, beat) VALUES (:owner, :beat) ON CONFLICT (owner) DO UPDATE SET beat = excluded.beat',
    parameters: { owner, beat },
  }
}

export function takenIn(result: Result | undefined): readonly TakenRun[] {
  return (result?.rows ?? []).map((row) => {
    const { spec, ...run } = takenRow.parse(row)
    return { ...run, spec: Spec.parse(JSON.parse(spec)) }
  })
}

/** Queues: how many of their runs may be under way, how many may begin in a while, and whether any may. */
import type { Database, Row, Statement } from '@bramble/runtime/service/database'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Queue, QueueChange } from '../http/shapes.ts'
import { untilDone } from './until-done.ts'

/** Webhooks have a queue of their own: they do not stand in the way of jobs. */
export const WEBHOOK_QUEUE = 'webhooks'
/** Of a queue that is just being made. */
const FIRST_VERSION = 1
/** Each is looked at whenever somebody looks. */
const MAX_QUEUES = 100

const queueRow = z.object({
  name: z.string(), concurrency: z.number(), rate_count: z.number().nullable(), rate_period_ms: z.number().nullable(), paused: z.number(), version: z.number(),
  queued: z.number(), running: z.number(), dead: z.number(),
})
export type StoredQueue = z.output<typeof queueRow>

const COLUMNS = `name, concurrency, rate_count, rate_period_ms, paused, version,
  (SELECT COUNT(*) FROM runs WHERE queue = q.name AND state = 'queued') AS queued,
  (SELECT COUNT(*) FROM runs WHERE queue = q.name AND state = 'running') AS running,
  (SELECT COUNT(*) FROM runs WHERE queue = q.name AND state = 'dead' AND ended_at IS NOT NULL) AS dead`

/** For a transaction: it fails as a whole when there are too many already. */
export function ensureQueue(name: string, concurrency: number): readonly Statement[] {
  return [
    {
      sql: `INSERT OR IGNORE INTO queues (name, concurrency) SELECT name, :concurrency FROM (SELECT :name AS name UNION SELECT '${WEBHOOK_QUEUE}')
        WHERE (SELECT COUNT(*) FROM queues) < ${MAX_QUEUES}`,
      parameters: { name, concurrency },
    },
    { sql: 'UPDATE queues SET version = version WHERE name = :name', parameters: { name }, changes: 1 },
  ]
}

export async function findQueue(db: Database, name: string): Promise<StoredQueue | undefined> {
  const [row] = await db.query(`SELECT ${COLUMNS} FROM queues q WHERE name = :name`, { name })
  return row === undefined ? undefined : queueRow.parse(row)
}

export async function needQueue(db: Database, name: string): Promise<StoredQueue> {
  const queue = await findQueue(db, name)
  if (queue === undefined) throw notFound(`there is no queue ${name}`)
  return queue
}

export async function listQueues(db: Database): Promise<readonly StoredQueue[]> {
  const rows: readonly Row[] = await db.query(`SELECT ${COLUMNS} FROM queues q ORDER BY name`)
  return rows.map((row) => queueRow.parse(row))
}

export async function putQueue(db: Database, name: string, change: z.output<typeof QueueChange>, defaultConcurrency: number, ifMatch: string | undefined): Promise<StoredQueue> {
  const { concurrency, rate, paused } = change
  await untilDone(`the queue ${name}`, async () => {
    const before = await findQueue(db, name)
    checkIfMatch(ifMatch, before && etagOf(before.version))
    const done = await db.execute([
      ...ensureQueue(name, defaultConcurrency),
      {
        sql: `UPDATE queues SET version = version + 1, concurrency = COALESCE(:concurrency, concurrency), paused = COALESCE(:paused, paused)
          ${rate === undefined ? '' : ', rate_count = :count, rate_period_ms = :period, rate_next = 0'} WHERE name = :name AND version = :version`,
        parameters: {
          name, version: before?.version ?? FIRST_VERSION, concurrency: concurrency ?? null, paused: paused === undefined ? null : Number(paused),
          ...(rate !== undefined && { count: rate?.count ?? null, period: rate === null ? null : rate.period_seconds * 1000 }),
        },
        changes: 1,
      },
    ])
    if (done === undefined && await findQueue(db, name) === undefined) throw tooManyQueues()
    return done
  })
  return needQueue(db, name)
}

export function tooManyQueues(): Problem {
  return new Problem(409, 'too_many_queues', `there are ${MAX_QUEUES} queues: remove one`)
}

export function removeQueue(db: Database, name: string, ifMatch: string | undefined): Promise<unknown> {
  return untilDone(`the queue ${name}`, async () => {
    const { version } = await needQueue(db, name)
    checkIfMatch(ifMatch, etagOf(version))
    // It is made with a job only, and completions may come at any time.
    if (name === WEBHOOK_QUEUE) throw new Problem(409, 'conflict', `the queue ${name} is that of completions: it stays`)
    const done = await db.execute([{
      sql: `DELETE FROM queues WHERE name = :name AND version = :version AND NOT EXISTS (SELECT 1 FROM jobs WHERE queue = :name)
        AND NOT EXISTS (SELECT 1 FROM runs WHERE queue = :name)`,
      parameters: { name, version }, changes: 1,
    }])
    if (done !== undefined || (await needQueue(db, name)).version !== version) return done
    throw new Problem(409, 'conflict', `the queue ${name} still has jobs: remove them first`)
  })
}

export function showQueue({ name, concurrency, rate_count: count, rate_period_ms: periodMs, paused, queued, running, dead }: StoredQueue): z.input<typeof Queue> {
  return { name, concurrency, rate: count === null || periodMs === null ? null : { count, period_seconds: periodMs / 1000 }, paused: paused !== 0, queued, running, dead }
}

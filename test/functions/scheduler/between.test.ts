/** What becomes of a call when the job is changed between its look and its transaction. */
import * as assert from 'node:assert/strict'
import type { Deps } from '../../../functions/scheduler/deps.ts'
import { NewJob } from '../../../functions/scheduler/http/shapes.ts'
import { readSettings } from '../../../functions/scheduler/settings.ts'
import { cancelJob, pauseJob, removeJob, resumeJob, runNow } from '../../../functions/scheduler/store/job-control.ts'
import { createJob, needJob } from '../../../functions/scheduler/store/jobs.ts'
import { keepAnswer } from '../../../functions/scheduler/store/kept-answers.ts'
import { putQueue, removeQueue } from '../../../functions/scheduler/store/queues.ts'
import { createRoom } from '../../../functions/scheduler/store/room.ts'
import { migrations } from '../../../functions/scheduler/store/schema.ts'
import { createAllowList } from '../../../functions/scheduler/target/allow-list.ts'
import { planJobs } from '../../../functions/scheduler/work/plan.ts'
import { cases, test } from '../../kit.ts'
import { createSqliteDatabase } from '../files/sqlite-database.ts'

/** A job of tomorrow, and what happens in front of the transaction of a call. */
async function world(body: Readonly<Record<string, unknown>> = {}) {
  const db = createSqliteDatabase(migrations)
  let between: (() => Promise<unknown>) | undefined
  const { settings } = readSettings({})
  const deps: Deps = {
    db: {
      ...db,
      async execute(statements) {
        const act = between
        between = undefined
        await act?.()
        return db.execute(statements)
      },
    },
    room: createRoom(db, () => undefined), allowList: createAllowList(settings), settings, hasWebhookKey: false,
    worker: { wake: () => undefined, cancel: () => undefined },
  }
  const make = (more = {}) => createJob(deps, NewJob.parse({ target: { function: 'any' }, ...body, ...more }), () => [])
  const { job } = await make(body['cron'] === undefined ? { delay_seconds: 86_400 } : {})
  const sql = (text: string) => db.execute([{ sql: text, parameters: { id: job.id } }])
  return {
    deps, job, make, sql,
    read: () => needJob(db, job.id),
    before(act: () => Promise<unknown>) { between = act },
    runs: () => db.query('SELECT state FROM runs ORDER BY id'),
    kept: async () => (await db.query('SELECT key FROM kept_answers')).length,
    async run(act: () => Promise<unknown>) {
      between = act
      return runNow(deps, job.id, (shown) => keepAnswer('run', { key: 'k', fingerprint: 'f', status: 202, body: JSON.stringify(shown) }))
    },
  }
}

const ended = "UPDATE runs SET state = 'succeeded', ended_at = 1 WHERE job_id = :id"

cases('a run is not promised of a job that meanwhile', [
  { name: 'was paused', acts: ["UPDATE jobs SET state = 'paused' WHERE id = :id"], status: 409 },
  { name: 'was paused, and had run', before: [ended], acts: ["UPDATE jobs SET state = 'paused' WHERE id = :id"], status: 409 },
  { name: 'was cancelled', acts: ["UPDATE jobs SET state = 'cancelled' WHERE id = :id", "UPDATE runs SET state = 'cancelled' WHERE job_id = :id"], status: 409 },
  { name: 'was removed', acts: ['DELETE FROM runs WHERE job_id = :id', 'DELETE FROM jobs WHERE id = :id'], status: 404 },
] satisfies { name: string; before?: string[]; acts: string[]; status: number }[], async ({ before = [], acts, status }: { before?: string[]; acts: string[]; status: number }) => {
  const { run, runs, sql, kept } = await world()
  for (const one of before) await sql(one)
  await assert.rejects(run(async () => { for (const one of acts) await sql(one) }), { status })
  assert.ok((await runs()).every(({ state }) => state !== 'running') && (await runs()).length <= 1)
  assert.equal(await kept(), 0)
})

test('of a job that has failed no run is promised when another one has taken its unique key', async () => {
  const { make, run, sql, kept } = await world({ unique_key: 'k' })
  await sql(ended)
  await sql("UPDATE jobs SET state = 'failed', ended_at = 1 WHERE id = :id")
  await assert.rejects(run(() => make()), { status: 409, code: 'conflict' })
  assert.equal(await kept(), 0)
})

test('of a job whose waiting run begins meanwhile there is one more', async () => {
  const { job, run, runs, sql, kept } = await world()
  const promised = await run(() => sql("UPDATE runs SET state = 'running' WHERE job_id = :id"))
  assert.notEqual(promised.id, `${job.id}.${job.next_run}`)
  assert.deepEqual([(await runs()).map(({ state }) => state).sort(), await kept()], [['queued', 'running'], 1])
})

cases('who says which job is meant does not change another one: it is', [
  { name: 'paused', state: 'active', act: pauseJob },
  { name: 'resumed', state: 'paused', act: resumeJob },
  { name: 'cancelled', state: 'active', act: cancelJob },
  { name: 'removed', state: 'active', act: removeJob },
], async ({ state, act }) => {
  const { deps, job, sql, before, read } = await world()
  await sql(`UPDATE jobs SET state = '${state}' WHERE id = :id`)
  const change = () => sql("UPDATE jobs SET name = 'another', version = version + 1 WHERE id = :id")
  before(change)
  await assert.rejects(act(deps, job.id, '"1"'), { status: 412 })
  assert.deepEqual([(await read()).name, (await read()).state], ['another', state])
  // Who does not say so means whatever it is.
  before(change)
  await act(deps, job.id, undefined)
})

test('a job that is resumed while it gets another pattern goes by that one', async () => {
  const { deps, job, sql, before, read } = await world({ cron: { pattern: '0 0 1 1 *' } })
  await pauseJob(deps, job.id, undefined)
  const often = JSON.stringify({ pattern: '* * * * *', timezone: 'UTC', catch_up: 'none', overlap: 'skip', jitter_seconds: 0 })
  before(() => sql(`UPDATE jobs SET cron = '${often}', version = version + 1 WHERE id = :id`))
  await resumeJob(deps, job.id, undefined)
  assert.ok(((await read()).next_run ?? Infinity) <= Date.now() + 60_000)
})

test('what a job that is being paused would have begun is not counted as left out', async () => {
  const { deps, job, sql, read } = await world({ cron: { pattern: '* * * * *' } })
  const { statements } = await planJobs(deps.db, [job.id], (job.next_run ?? 0) + 1, 10)
  await sql("UPDATE jobs SET state = 'paused' WHERE id = :id")
  await deps.db.execute(statements)
  assert.deepEqual([(await read()).skipped, statements.length], [0, 2])
})

test('of two who change one queue by the same tag one is told that it has changed', async () => {
  const { deps: { db }, before } = await world()
  const put = (concurrency: number, ifMatch?: string) => putQueue(db, 'some', { concurrency }, 1, ifMatch)
  const { version } = await put(2)
  before(() => put(3))
  await assert.rejects(put(4, `"${version}"`), { status: 412 })
  before(() => put(5))
  await assert.rejects(removeQueue(db, 'some', `"${version + 1}"`), { status: 412 })
  assert.equal((await put(6)).version, version + 3)
  await removeQueue(db, 'some', undefined)
})

test('the queue of completions stays: nobody would be told of anything', async () => {
  const { deps: { db } } = await world()
  await assert.rejects(removeQueue(db, 'webhooks', undefined), { status: 409 })
})

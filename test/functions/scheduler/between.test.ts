/** What becomes of a call when the job is changed between its look and its transaction. */
import * as assert from 'node:assert/strict'
import type { Deps } from '../../../functions/scheduler/deps.ts'
import { NewJob } from '../../../functions/scheduler/http/shapes.ts'
import { readSettings } from '../../../functions/scheduler/settings.ts'
import { createJob, needJob, runNow } from '../../../functions/scheduler/store/jobs.ts'
import { keepAnswer } from '../../../functions/scheduler/store/kept-answers.ts'
import { createRoom } from '../../../functions/scheduler/store/room.ts'
import { migrations } from '../../../functions/scheduler/store/schema.ts'
import { createAllowList } from '../../../functions/scheduler/target/allow-list.ts'
import { cases, test } from '../../kit.ts'
import { createSqliteDatabase } from '../files/sqlite-database.ts'

/** A job of tomorrow, or one that has failed, and `between` in front of the first transaction after `arm`. */
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
    worker: { wake: () => undefined, cancel: () => undefined }, ready: async () => undefined,
  }
  const make = (more = {}) => createJob(deps, NewJob.parse({ target: { function: 'any' }, ...body, ...more }), () => [])
  const { job } = await make({ delay_seconds: 86_400 })
  const sql = (text: string) => db.execute([{ sql: text, parameters: { id: job.id } }])
  return {
    job, make, sql,
    runs: () => db.query('SELECT state FROM runs ORDER BY id'),
    kept: async () => (await db.query('SELECT key FROM kept_answers')).length,
    async run(act: () => Promise<unknown>) {
      const seen = await needJob(db, job.id)
      between = act
      return runNow(deps, seen, (shown) => keepAnswer('run', { key: 'k', fingerprint: 'f', status: 202, body: JSON.stringify(shown) }))
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

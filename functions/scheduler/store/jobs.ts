/** Jobs: made, found, changed. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import { busy, notFound, Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { type JobChange, MAX_DELAY_SECONDS, type NewJob, type Spec } from '../http/shapes.ts'
import { NOW } from './clock.ts'
import { checkCron, checkTargets, refuse } from './job-checks.ts'
import { ensureQueue, findQueue, tooManyQueues } from './queues.ts'
import { FULL_FOR_JOBS, USED } from './room.ts'
import { settleNew } from './settle.ts'
import { JOB_COLUMNS, readJob, showJob, type StoredJob } from './stored-job.ts'
import { newId } from './new-id.ts'

const BUSY_SECONDS = 5

export async function needJob(db: Database, id: string): Promise<StoredJob> {
  const [row] = await db.query(`SELECT ${JOB_COLUMNS} FROM jobs j WHERE j.id = :id`, { id })
  if (row === undefined) throw notFound(`there is no job ${id}`)
  return readJob(row)
}

export type Made = { readonly job: StoredJob; readonly isNew: boolean }

/** `keep` makes the statements that remember the answer; the job shown is what they are given. */
export async function createJob(deps: Deps, body: NewJob, keep: (shown: unknown) => readonly Statement[]): Promise<Made> {
  const { db } = deps
  const nowMs = await checkRoom(deps)
  checkTargets(deps, body)
  checkTimes(body, nowMs)
  const id = newId()
  const next = body.cron === undefined ? undefined : checkCron(id, body.cron, '/cron', nowMs)
  if (body.unique_key !== undefined) {
    const taken = await findByKey(db, body.queue, body.unique_key)
    if (taken !== undefined) return { job: taken, isNew: false }
  }
  await checkDependencies(db, body.depends_on)
  const startMs = body.at !== undefined ? Date.parse(body.at) : nowMs + Math.round((body.delay_seconds ?? 0) * 1000)
  const spec: Spec = specOf(body)
  // As it will be read: what is told must be kept in the same transaction.
  const job: StoredJob = {
    id, name: body.name, queue: body.queue, state: 'active', priority: body.priority, unique_key: body.unique_key ?? null, spec, cron: body.cron,
    planned_at: null, if_fails: body.if_dependency_fails, skipped: 0, created_at: nowMs, ended_at: null, version: 1,
    next_run: body.cron === undefined ? (body.depends_on.length > 0 ? null : startMs) : next?.startMs ?? null, depends_on: body.depends_on,
  }
  const results = await db.execute([
    ...ensureQueue(body.queue, deps.settings.queueConcurrency),
    {
      sql: `INSERT INTO jobs (id, name, queue, state, priority, unique_key, spec, cron, planned_at, next_at, if_fails, created_at)
        SELECT :id, :name, :queue, 'active', :priority, :key, :spec, :cron, :planned, :next, :if_fails, :now
        WHERE :key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs WHERE queue = :queue AND unique_key = :key AND state IN ('active', 'paused'))`,
      parameters: {
        id, name: body.name, queue: body.queue, priority: body.priority, key: body.unique_key ?? null, spec: JSON.stringify(spec),
        cron: body.cron === undefined ? null : JSON.stringify(body.cron), planned: body.cron === undefined ? null : nowMs, next: next?.startMs ?? null,
        if_fails: body.if_dependency_fails, now: nowMs,
      },
      changes: 1,
    },
    ...dependencyStatements(id, body.depends_on),
    ...(body.cron !== undefined ? [] : [firstRun(id, startMs, body.depends_on.length > 0)]),
    ...(body.depends_on.length > 0 ? settleNew(id) : []),
    ...keep(showJob(job)),
  ])
  if (results === undefined) {
    const taken = body.unique_key === undefined ? undefined : await findByKey(db, body.queue, body.unique_key)
    if (taken !== undefined) return { job: taken, isNew: false }
    if (await findQueue(db, body.queue) === undefined) throw tooManyQueues()
    throw new Problem(409, 'conflict', 'the unique_key or a job of depends_on has changed meanwhile: send it again')
  }
  deps.worker.wake()
  return { job, isNew: true }
}

function specOf(body: NewJob): Spec {
  return {
    target: body.target, method: body.method, headers: body.headers, ...(body.payload !== undefined && { payload: body.payload }),
    timeout_seconds: body.timeout_seconds, retry: body.retry, ...(body.on_complete !== undefined && { on_complete: body.on_complete }),
  }
}

function checkTimes({ at, delay_seconds: delay, cron, depends_on: dependsOn }: NewJob, nowMs: number): void {
  const times = [at, delay, cron].filter((one) => one !== undefined)
  if (times.length > 1) throw refuse('', 'has more than one of at, delay_seconds and cron')
  if (at !== undefined && !(Math.abs(Date.parse(at) - nowMs) <= MAX_DELAY_SECONDS * 1000)) throw refuse('/at', 'is more than ten years away')
  if (cron !== undefined && dependsOn.length > 0) throw refuse('/depends_on', 'is not for recurring jobs')
}

function firstRun(id: string, startMs: number, isWaiting: boolean): Statement {
  return {
    sql: `INSERT INTO runs (id, job_id, kind, queue, priority, serial_key, state, due_at, next_at)
      SELECT :run, id, 'call', queue, priority, id, :state, :start, :start FROM jobs WHERE id = :id`,
    parameters: { run: `${id}.${startMs}`, id, start: startMs, state: isWaiting ? 'waiting' : 'queued' },
  }
}

function dependencyStatements(id: string, dependsOn: readonly string[]): readonly Statement[] {
  return [...new Set(dependsOn)].map((on) => ({
    sql: 'INSERT INTO dependencies (job_id, on_job) SELECT :id, id FROM jobs WHERE id = :on AND cron IS NULL',
    parameters: { id, on }, changes: 1,
  }))
}

async function checkDependencies(db: Database, dependsOn: readonly string[]): Promise<void> {
  if (dependsOn.length === 0) return
  const rows = await db.query('SELECT id, cron IS NOT NULL AS recurs FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))', { ids: JSON.stringify(dependsOn) })
  const found = new Map(rows.map((row) => [row['id'], row['recurs'] !== 0]))
  for (const [i, on] of dependsOn.entries()) {
    if (!found.has(on)) throw refuse(`/depends_on/${i}`, `there is no job ${on}`)
    if (found.get(on) === true) throw refuse(`/depends_on/${i}`, `the job ${on} is recurring: it never ends`)
  }
}

export async function findByKey(db: Database, queue: string, key: string): Promise<StoredJob | undefined> {
  const [row] = await db.query(
    `SELECT ${JOB_COLUMNS} FROM jobs j WHERE j.queue = :queue AND j.unique_key = :key AND j.unique_key IS NOT NULL AND j.state IN ('active', 'paused')`, { queue, key })
  return row === undefined ? undefined : readJob(row)
}

/** Answers the data service's clock. */
export async function checkRoom({ db, settings, room }: Deps): Promise<number> {
  const [row] = await db.query(`SELECT ${NOW} AS now, ${USED} AS used, (SELECT COUNT(*) FROM runs WHERE state = 'queued') AS waiting`)
  const { now, used, waiting } = row ?? {}
  if (typeof now !== 'number' || typeof used !== 'number' || typeof waiting !== 'number') throw new Error('a query without an answer')
  if (waiting >= settings.maxWaiting) throw busy(`${waiting} runs wait, as many as may (max_waiting)`, BUSY_SECONDS)
  if (used > FULL_FOR_JOBS && await room.make() > FULL_FOR_JOBS) {
    throw new Problem(507, 'database_full', `jobs take more than ${FULL_FOR_JOBS * 100} % of the database, the rest is for their results: wait until some have run, remove jobs or dead letters, or raise max_database_size of the data service`)
  }
  return now
}

/** What makes a job larger needs room as a new one does; what waits already does not stand in its way. */
async function clockOf(deps: Deps, change: JobChange): Promise<number> {
  if (change.payload !== undefined || change.headers !== undefined) return checkRoom({ ...deps, settings: { ...deps.settings, maxWaiting: Infinity } })
  const [clock] = await deps.db.query(`SELECT ${NOW} AS now`)
  return Number(clock?.['now'])
}

/** Throws `conflict` when it has changed since `job` was read. */
export async function changeJob(deps: Deps, job: StoredJob, change: JobChange): Promise<void> {
  const { db } = deps
  const { cron, depends_on: dependsOn, name, priority, if_dependency_fails: ifFails, on_complete: onComplete } = change
  checkTargets(deps, { target: change.target ?? job.spec.target, on_complete: onComplete === null ? undefined : onComplete, headers: change.headers ?? {}, payload: change.payload })
  if (cron !== undefined && job.cron === undefined) throw refuse('/cron', 'is only for jobs that were made with one')
  if (dependsOn !== undefined && (job.cron !== undefined || job.state !== 'active')) throw refuse('/depends_on', 'is only for jobs that have not ended and do not recur')
  if (dependsOn !== undefined) await checkDependencies(db, dependsOn)
  const nowMs = await clockOf(deps, change)
  const next = cron === undefined ? undefined : checkCron(job.id, cron, '/cron', nowMs)
  const before = job.spec
  const told = onComplete === undefined ? before.on_complete : onComplete ?? undefined
  const payload = 'payload' in change ? change.payload : before.payload
  const spec: Spec = {
    target: change.target ?? before.target, method: change.method ?? before.method, headers: change.headers ?? before.headers,
    timeout_seconds: change.timeout_seconds ?? before.timeout_seconds, retry: change.retry ?? before.retry,
    ...(payload !== undefined && { payload }), ...(told !== undefined && { on_complete: told }),
  }
  const results = await db.execute([
    {
      sql: `UPDATE jobs SET version = version + 1, name = :name, priority = :priority, spec = :spec, if_fails = :if_fails
        ${cron === undefined ? '' : ', cron = :cron, planned_at = :now, next_at = :next'} WHERE id = :id AND version = :version`,
      parameters: {
        id: job.id, version: job.version, name: name ?? job.name, priority: priority ?? job.priority, spec: JSON.stringify(spec), if_fails: ifFails ?? job.if_fails,
        ...(cron !== undefined && { cron: JSON.stringify(cron), now: nowMs, next: next?.startMs ?? null }),
      },
      changes: 1,
    },
    { sql: "UPDATE runs SET priority = :priority WHERE job_id = :id AND kind = 'call' AND state IN ('waiting', 'queued')", parameters: { id: job.id, priority: priority ?? job.priority } },
    ...(dependsOn === undefined ? [] : [
      // What runs, or has run, waits for nothing any more.
      { sql: "UPDATE runs SET state = 'waiting' WHERE job_id = :id AND kind = 'call' AND state IN ('waiting', 'queued') AND attempts = 0", parameters: { id: job.id }, changes: 1 },
      { sql: 'DELETE FROM dependencies WHERE job_id = :id', parameters: { id: job.id } },
      ...dependencyStatements(job.id, dependsOn),
      {
        // A job that would wait for itself, however far round: then nothing is changed.
        sql: `UPDATE jobs SET version = version WHERE id = :id AND NOT EXISTS (
          WITH RECURSIVE before(id) AS (SELECT on_job FROM dependencies WHERE job_id = :id UNION SELECT d.on_job FROM dependencies d JOIN before b ON d.job_id = b.id)
          SELECT 1 FROM before WHERE id = :id)`,
        parameters: { id: job.id }, changes: 1,
      },
      ...settleNew(job.id),
    ]),
  ])
  if (results !== undefined) return deps.worker.wake()
  const now = await needJob(db, job.id)
  if (now.version !== job.version) throw new Problem(409, 'conflict', 'the job has changed meanwhile: read it and decide anew')
  if (dependsOn !== undefined && await wouldWaitForItself(db, job.id, dependsOn)) {
    throw new Problem(409, 'dependency_cycle', `the job ${job.id} would wait for itself`, { errors: [{ in: 'body', path: '/depends_on', detail: 'leads back to this job' }] })
  }
  throw new Problem(409, 'conflict', 'the job has begun, or a job of depends_on is gone: its dependencies stay as they are')
}

async function wouldWaitForItself(db: Database, id: string, dependsOn: readonly string[]): Promise<boolean> {
  const rows = await db.query(
    `WITH RECURSIVE before(id) AS (SELECT value FROM json_each(:ids) UNION SELECT d.on_job FROM dependencies d JOIN before b ON d.job_id = b.id)
      SELECT 1 AS yes FROM before WHERE id = :id`, { id, ids: JSON.stringify(dependsOn) })
  return rows.length > 0
}

/** Jobs: paused, resumed, cancelled, begun by hand, removed. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { NOW } from './clock.ts'
import { checkCron } from './job-checks.ts'
import { checkRoom, findByKey, needJob } from './jobs.ts'
import { settleDependents } from './settle.ts'
import type { StoredJob } from './stored-job.ts'
import { readRun, RUN_COLUMNS, showRun, type StoredRun } from './stored-run.ts'
import { untilDone } from './until-done.ts'

/** What depends on what the job is now, and on the tag that the caller knows: again when it has changed in between. */
function whileSame<T>(db: Database, id: string, ifMatch: string | undefined, attempt: (job: StoredJob) => Promise<T | undefined>): Promise<T> {
  return untilDone(`the job ${id}`, async () => {
    const job = await needJob(db, id)
    checkIfMatch(ifMatch, etagOf(job.version))
    return attempt(job)
  })
}

/** Whether there is nothing to do. Throws `conflict` for a job that has ended otherwise. */
function isAlready({ id, state }: StoredJob, wanted: StoredJob['state']): boolean {
  if (state === wanted) return true
  if (state === 'active' || state === 'paused') return false
  throw new Problem(409, 'conflict', `the job ${id} is ${state}: it has ended`)
}

export function pauseJob({ db }: Deps, id: string, ifMatch: string | undefined): Promise<unknown> {
  return whileSame(db, id, ifMatch, async (job) => isAlready(job, 'paused') || db.execute([{
    sql: "UPDATE jobs SET state = 'paused', version = version + 1 WHERE id = :id AND version = :version", parameters: { id, version: job.version }, changes: 1,
  }]))
}

/** What was missed meanwhile is let go. */
export async function resumeJob({ db, worker }: Deps, id: string, ifMatch: string | undefined): Promise<void> {
  await whileSame(db, id, ifMatch, async (job) => {
    if (isAlready(job, 'active')) return true
    const { cron, version } = job
    const [clock] = await db.query(`SELECT ${NOW} AS now`)
    const nowMs = Number(clock?.['now'])
    const next = cron === undefined ? undefined : checkCron(id, cron, '/cron', nowMs)
    return db.execute([{
      sql: `UPDATE jobs SET state = 'active', version = version + 1 ${cron === undefined ? '' : ', planned_at = :now, next_at = :next'} WHERE id = :id AND version = :version`,
      parameters: { id, version, ...(cron !== undefined && { now: nowMs, next: next?.startMs ?? null }) },
      changes: 1,
    }])
  })
  worker.wake()
}

/** Nothing of it begins any more; what runs is told to end. */
export async function cancelJob({ db, worker }: Deps, id: string, ifMatch: string | undefined): Promise<void> {
  const results = await whileSame(db, id, ifMatch, async (job) => isAlready(job, 'cancelled') ? [] : db.execute([
    {
      sql: `UPDATE jobs SET state = 'cancelled', ended_at = ${NOW}, next_at = NULL, version = version + 1 WHERE id = :id AND version = :version`,
      parameters: { id, version: job.version }, changes: 1,
    },
    { sql: `UPDATE runs SET state = 'cancelled', ended_at = ${NOW} WHERE job_id = :id AND kind = 'call' AND state IN ('waiting', 'queued')`, parameters: { id } },
    { sql: "UPDATE runs SET cancel = 1 WHERE job_id = :id AND kind = 'call' AND state = 'running' RETURNING id", parameters: { id } },
    ...settleDependents(id),
  ]))
  for (const row of results[2]?.rows ?? []) worker.cancel(String(row['id']))
  worker.wake()
}

/** A run that waits for its time begins now; where none waits there is one more. `keep` is given what is shown of it. */
export async function runNow(deps: Deps, id: string, keep: (shown: unknown) => readonly Statement[]): Promise<StoredRun> {
  const run = await whileSame(deps.db, id, undefined, (job) => tryToRun(deps, job, keep))
  deps.worker.wake()
  return run
}

/** `undefined`: between the look and the change the job has changed, or the run that waited has begun. */
async function tryToRun(deps: Deps, job: StoredJob, keep: (shown: unknown) => readonly Statement[]): Promise<StoredRun | undefined> {
  if (job.state === 'cancelled') throw new Problem(409, 'conflict', `the job ${job.id} was cancelled`)
  if (job.state === 'paused') throw new Problem(409, 'conflict', `the job ${job.id} is paused: resume it`)
  const taken = job.unique_key === null ? undefined : await findByKey(deps.db, job.queue, job.unique_key)
  if (taken !== undefined && taken.id !== job.id) throw new Problem(409, 'conflict', `the job ${taken.id} has its unique_key now`)
  const nowMs = await checkRoom(deps)
  const [waiting] = job.cron !== undefined ? [] : await deps.db.query(
    `SELECT ${RUN_COLUMNS} FROM runs WHERE job_id = :id AND kind = 'call' AND state IN ('waiting', 'queued') ORDER BY next_at LIMIT 1`, { id: job.id })
  const run: StoredRun = waiting !== undefined ? { ...readRun(waiting), state: 'queued', next_at: nowMs } : {
    id: `${job.id}.${nowMs}`, job_id: job.id, queue: job.queue, kind: 'call', state: 'queued', due_at: nowMs, next_at: nowMs, attempts: 0, fence: 0,
    started_at: null, ended_at: null, status: null, result: null, error: null, log: '[]',
  }
  const results = await deps.db.execute([
    {
      sql: `UPDATE jobs SET state = 'active', ended_at = NULL, version = version + 1 WHERE id = :id AND state IN ('succeeded', 'failed')
        AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.queue = jobs.queue AND o.unique_key = jobs.unique_key AND o.state IN ('active', 'paused'))`,
      parameters: { id: job.id },
    },
    waiting === undefined ? {
      sql: `INSERT OR IGNORE INTO runs (id, job_id, kind, queue, priority, serial_key, state, due_at, next_at)
        SELECT :run, id, 'call', queue, priority, :serial, 'queued', :now, :now FROM jobs WHERE id = :id AND state = 'active'`,
      parameters: { run: run.id, id: job.id, now: nowMs, serial: job.cron?.overlap === 'allow' ? null : job.id },
      changes: 1,
    } : {
      sql: `UPDATE runs SET state = 'queued', next_at = :now WHERE id = :run AND state IN ('waiting', 'queued')
        AND EXISTS (SELECT 1 FROM jobs WHERE id = :id AND state = 'active')`,
      parameters: { run: run.id, id: job.id, now: nowMs }, changes: 1,
    },
    ...keep(showRun(run)),
  ])
  return results === undefined ? undefined : run
}

/** With all that is known of its runs. */
export function removeJob({ db }: Deps, id: string, ifMatch: string | undefined): Promise<unknown> {
  return whileSame(db, id, ifMatch, async ({ version }) => {
    const done = await db.execute([
      {
        sql: `DELETE FROM jobs WHERE id = :id AND version = :version AND NOT EXISTS (SELECT 1 FROM runs WHERE job_id = :id AND state = 'running')
          AND NOT EXISTS (SELECT 1 FROM dependencies d JOIN jobs j ON j.id = d.job_id WHERE d.on_job = :id AND j.state IN ('active', 'paused'))`,
        parameters: { id, version }, changes: 1,
      },
      { sql: 'DELETE FROM runs WHERE job_id = :id', parameters: { id } },
      { sql: 'DELETE FROM dependencies WHERE job_id = :id OR on_job = :id', parameters: { id } },
    ])
    if (done !== undefined || (await needJob(db, id)).version !== version) return done
    throw new Problem(409, 'conflict', `a run of the job ${id} is under way, or another job waits for it: cancel that first`)
  })
}

/** Runs: found, listed, cancelled; dead letters and their redrive. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { NOW } from './clock.ts'
import { LOG_ENTRY } from './finish.ts'
import { pageByBytes } from './page-by-bytes.ts'
import { settleJob } from './settle.ts'
import { readRun, RUN_COLUMNS, type StoredRun } from './stored-run.ts'

/** In one call. */
const MAX_REDRIVEN = 1000

export async function needRun(db: Database, id: string): Promise<StoredRun> {
  const [row] = await db.query(`SELECT ${RUN_COLUMNS} FROM runs WHERE id = :id`, { id })
  if (row === undefined) throw notFound(`there is no run ${id}`)
  return readRun(row)
}

export type RunPage = { readonly before: { readonly at: number; readonly id: string } | undefined; readonly limit: number }

/** One run more than `limit`, where there is one. */
export type RunsFound = { readonly runs: readonly StoredRun[]; readonly limit: number }

async function pageOfRuns(db: Database, from: string, parameters: Statement['parameters'], wanted: number): Promise<RunsFound> {
  const { rows, limit } = await pageByBytes(db, { columns: RUN_COLUMNS, large: ['result', 'error', 'log'], from, parameters }, wanted)
  return { runs: rows.map(readRun), limit }
}

/** The latest moment first. */
export async function runsOf(db: Database, jobId: string, { before, limit }: RunPage): Promise<RunsFound> {
  return pageOfRuns(db,
    `FROM runs WHERE job_id = :job ${before === undefined ? '' : 'AND (due_at, id) < (:at, :id)'} ORDER BY due_at DESC, id DESC`,
    { job: jobId, ...before }, limit)
}

export type DeadFilter = { readonly queue?: string | undefined; readonly job?: string | undefined }

/** The latest first. */
export async function deadRuns(db: Database, { queue, job }: DeadFilter, { before, limit }: RunPage): Promise<RunsFound> {
  return pageOfRuns(db,
    `FROM runs WHERE state = 'dead' AND ended_at IS NOT NULL ${filterOf({ queue, job })}
      ${before === undefined ? '' : 'AND (ended_at, id) < (:at, :id)'} ORDER BY ended_at DESC, id DESC`,
    { ...before, ...(queue !== undefined && { queue }), ...(job !== undefined && { job }) }, limit)
}

function filterOf({ queue, job }: DeadFilter): string {
  return `${queue === undefined ? '' : 'AND queue = :queue'} ${job === undefined ? '' : 'AND job_id = :job'}`
}

/**
 * Of a dead run in table `runs`: its job goes on, or can again. One that was cancelled stays so, and of those with one unique key
 * only one can: the one that is unfinished, else the newest.
 */
const CAN_GO_ON = `(runs.kind = 'webhook' OR EXISTS (SELECT 1 FROM jobs j WHERE j.id = runs.job_id AND (j.state IN ('active', 'paused')
  OR (j.state = 'failed' AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.queue = j.queue AND o.unique_key = j.unique_key AND o.id <> j.id AND (o.state IN ('active', 'paused')
    OR (o.state = 'failed' AND o.id > j.id AND EXISTS (SELECT 1 FROM runs d WHERE d.job_id = o.id AND d.kind = 'call' AND d.state = 'dead'))))))))`

/** As if it had never been tried. Answers how many. */
export async function redrive({ db, worker }: Deps, filter: DeadFilter & { readonly id?: string }): Promise<number> {
  const { queue, job, id } = filter
  const parameters = { ...(queue !== undefined && { queue }), ...(job !== undefined && { job }), ...(id !== undefined && { id }) }
  const which = `SELECT id FROM runs WHERE state = 'dead' AND ended_at IS NOT NULL ${filterOf(filter)} ${id === undefined ? '' : 'AND id = :id'} AND ${CAN_GO_ON} ORDER BY ended_at LIMIT ${MAX_REDRIVEN}`
  const results = await db.execute([
    {
      sql: `UPDATE jobs SET state = 'active', ended_at = NULL, version = version + 1
        WHERE state = 'failed' AND id IN (SELECT job_id FROM runs WHERE kind = 'call' AND id IN (${which}))`,
      parameters,
    },
    {
      sql: `UPDATE runs SET state = 'queued', next_at = ${NOW}, ended_at = NULL, attempts = 0, lapses = 0, error = NULL, status = NULL, result = NULL, log = ${LOG_ENTRY}
        WHERE id IN (${which})`,
      parameters: { ...parameters, entry: JSON.stringify({ event: 'redriven' }) },
    },
  ])
  worker.wake()
  return results?.[1]?.changes ?? 0
}

export async function discard({ db }: Deps, id: string): Promise<void> {
  const done = await db.execute([{ sql: "DELETE FROM runs WHERE id = :id AND state = 'dead'", parameters: { id }, changes: 1 }])
  if (done !== undefined) return
  const { state } = await needRun(db, id)
  throw new Problem(409, 'conflict', `the run ${id} is ${state}: only dead letters can be thrown away`)
}

/** One that runs is told to end, by its replica at the latest when that renews its lease. */
export async function cancelRun({ db, worker }: Deps, run: StoredRun): Promise<void> {
  const statements: readonly Statement[] = [
    { sql: `UPDATE runs SET state = 'cancelled', ended_at = ${NOW} WHERE id = :id AND state IN ('waiting', 'queued')`, parameters: { id: run.id } },
    { sql: "UPDATE runs SET cancel = 1 WHERE id = :id AND state = 'running'", parameters: { id: run.id } },
    ...settleJob(run.job_id),
  ]
  const results = await db.execute(statements)
  if (results?.[1]?.changes === 1) worker.cancel(run.id)
  else if (results?.[0]?.changes === 0) {
    const { state } = await needRun(db, run.id)
    if (state !== 'cancelled') throw new Problem(409, 'conflict', `the run ${run.id} is ${state} already`)
  }
  worker.wake()
}

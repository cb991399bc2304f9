/** Runs of one job: which may begin now, which wait, which are left out; and what is kept of them. */
import { reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { CallFunction } from './call.ts'
import type { History } from './history.ts'
import type { Job } from './plan.ts'
import type { JobRecord, LastRun } from './record.ts'

/** `doneMs` is true of the job once this run has begun. */
export type Run = { readonly dueMs: number; readonly doneMs: number }

export type Runner = {
  /** `isMade`: runs that were missed and are made up for: they wait for each other, whatever the job says. */
  add(run: Run, isMade: boolean): void
  /** Nothing was due up to then. */
  pass(doneMs: number): void
  /** No further run begins. */
  stop(): void
}

export type RunnerDeps = {
  readonly job: Job
  readonly history: History
  readonly call: CallFunction
  readonly nowMs: () => number
  readonly log: Log
}

/** Runs of one job that wait, or run beside each other: a function that hangs must not gather them for ever. */
const MAX_RUNS = 100

export function createRunner(deps: RunnerDeps): Runner {
  const { job, history, call, nowMs } = deps
  const { name, namespace } = job.ref
  const log = deps.log.child({ function: name, namespace, schedule: job.schedule.text })
  let waiting: Run[] = []
  let running = 0
  let isStopped = false

  /** The history is the only memory: a job that is run in another way from now on has a new runner, but one record. */
  const keep = (change: (present: JobRecord) => JobRecord): void => {
    const present = history.get(job.id)
    if (present !== undefined) history.note(change(present))
  }

  const run = async ({ dueMs, doneMs }: Run): Promise<void> => {
    const present = history.get(job.id)
    if (present === undefined) return
    const started: LastRun = { dueMs, startedMs: nowMs(), outcome: 'running' }
    // Before the call, so that a restart does not repeat it. If the disk refuses, better a run than none.
    await history.save({ ...present, doneMs, last: started })
      .catch((error: unknown) => log.error('run could not be stored', { error: reasonOf(error) }))
    const end = await answer(dueMs)
    if (end.outcome === 'failed') log.warn('run failed', { due: new Date(dueMs).toISOString(), status: end.status, error: end.error })
    // Unless another one has begun since.
    keep((now) => (now.last?.dueMs === dueMs ? { ...now, last: { ...started, ...end, endedMs: nowMs() } } : now))
  }

  const answer = async (dueMs: number): Promise<Pick<LastRun, 'outcome' | 'status' | 'error'>> => {
    try {
      const status = await call(job, dueMs)
      return { outcome: status >= 200 && status < 300 ? 'ok' : 'failed', status }
    } catch (error) {
      return { outcome: 'failed', error: reasonOf(error) }
    }
  }

  const begin = (one: Run): void => {
    running++
    void run(one).finally(() => {
      running--
      const next = isStopped ? undefined : waiting.shift()
      if (next !== undefined) begin(next)
    })
  }

  const skip = ({ dueMs, doneMs }: Run): void => {
    log.warn('run left out: the one before has not ended', { due: new Date(dueMs).toISOString() })
    keep((present) => ({ ...present, doneMs, skippedMs: dueMs }))
  }

  return {
    add(one, isMade) {
      const isFree = running === 0 || (job.overlap === 'allow' && !isMade && running < MAX_RUNS)
      if (isFree) begin(one)
      else if ((isMade || job.overlap === 'queue') && waiting.length < MAX_RUNS) waiting.push(one)
      else skip(one)
    },
    pass(doneMs) {
      if (waiting.length === 0 && history.get(job.id)?.doneMs !== doneMs) keep((present) => ({ ...present, doneMs }))
    },
    stop() {
      isStopped = true
      waiting = []
    },
  }
}

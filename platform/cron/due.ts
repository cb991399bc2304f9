/** Which runs of a job are due, after whatever time nobody looked. Pure: no clock. */
import { jitterOfRun, type Job } from './plan.ts'

export type Due = {
  /** The moments to run for, oldest first. */
  readonly runs: readonly number[]
  /** Up to here everything is decided, once these runs have begun. */
  readonly doneMs: number
}

/** A run that is late by no more is no missed run: a restart takes that long, and a busy disk. */
export const LATE_MS = 60_000
/** A clock that is further back than what was done has been wrong, now or then. */
export const CLOCK_BACK_MS = 60_000
/** Missed runs that are made up for, of one job: a clock that was a year behind must not start thousands. */
export const MAX_CATCH_UP = 100

/** `doneMs` is what the last answer said, or when the job was first seen; `anchorMs` is always the latter. */
export function dueRuns(job: Job, doneMs: number, anchorMs: number, nowMs: number): Due {
  const fromMs = doneMs > nowMs + CLOCK_BACK_MS ? nowMs : doneMs
  const next = (afterMs: number): number | undefined => job.schedule.next(afterMs, anchorMs)
  const first = next(fromMs)
  if (first === undefined || first + jitterOfRun(job, first) > nowMs) return { runs: [], doneMs: fromMs }
  if (job.catchUp === 'all') return upTo(job, first, nowMs, next)
  const isMissed = first + jitterOfRun(job, first) < nowMs - LATE_MS
  if (isMissed && job.catchUp === 'one') return { runs: [first], doneMs: nowMs }
  // Of those that are only late the last one is enough.
  const from = isMissed ? next(Math.max(fromMs, nowMs - LATE_MS - job.jitterMs)) : first
  const late = from === undefined ? { runs: [], doneMs: fromMs } : upTo(job, from, nowMs, next)
  return { runs: late.runs.slice(-1), doneMs: Math.max(late.doneMs, isMissed ? nowMs - LATE_MS - job.jitterMs : fromMs) }
}

/** When the next run begins that is not decided yet; `Infinity`: never. */
export function nextRunMs(job: Job, doneMs: number, anchorMs: number): number {
  const next = job.schedule.next(doneMs, anchorMs)
  return next === undefined ? Infinity : next + jitterOfRun(job, next)
}

function upTo(job: Job, first: number, nowMs: number, next: (afterMs: number) => number | undefined): Due {
  const runs: number[] = []
  let one: number | undefined = first
  for (; one !== undefined && one + jitterOfRun(job, one) <= nowMs; one = next(one)) {
    if (runs.length === MAX_CATCH_UP) return { runs, doneMs: nowMs }
    runs.push(one)
  }
  return { runs, doneMs: runs.at(-1) ?? Math.min(first - 1, nowMs) }
}

/** Which runs of a recurring job are due, after whatever time nobody looked. Pure: no clock. */
import type { Pattern } from './pattern.ts'

export type Recurrence = {
  readonly id: string
  readonly pattern: Pattern
  /** What becomes of runs that were missed: nothing, one for all of them, or each. */
  readonly catchUp: 'none' | 'one' | 'all'
  /** Each run begins up to so much later, by an amount of its own. */
  readonly jitterMs: number
}

export type Due = {
  /** The moments to run for, oldest first. */
  readonly runs: readonly number[]
  /** They were missed, and wait for each other whatever the job says. */
  readonly isMadeUp: boolean
  /** Up to here everything is decided. */
  readonly plannedMs: number
  /** When to look again; `undefined`: never. */
  readonly nextMs: number | undefined
}

/** A run that is late by no more is no missed run: a restart takes that long, and a busy disk. */
const LATE_MS = 60_000
/** A clock that is further back than what was planned has been wrong, now or then. */
export const CLOCK_BACK_MS = 60_000
/** Missed runs that are made up for, of one job: a clock that was a year behind must not start thousands. */
export const MAX_CATCH_UP = 100

export function dueRuns(job: Recurrence, plannedMs: number, nowMs: number): Due {
  const fromMs = plannedMs > nowMs + CLOCK_BACK_MS ? nowMs : plannedMs
  const startOf = (moment: number): number => moment + jitterOf(job, moment)
  const done = (runs: readonly number[], upToMs: number, isMadeUp = false): Due => ({ runs, isMadeUp, plannedMs: upToMs, nextMs: nextStart(job, upToMs) })
  /** Those that begin from `first` on until now, and whether there are more than one may make up for. */
  const until = (first: number | undefined): readonly number[] => {
    const runs: number[] = []
    for (let one = first; one !== undefined && startOf(one) <= nowMs && runs.length < MAX_CATCH_UP; one = job.pattern.next(one)) runs.push(one)
    return runs
  }

  const first = job.pattern.next(fromMs)
  if (first === undefined || startOf(first) > nowMs) return done([], fromMs)
  const isMissed = startOf(first) < nowMs - LATE_MS
  if (job.catchUp === 'all') {
    const runs = until(first)
    // Too many: the rest is let go.
    return done(runs, runs.length === MAX_CATCH_UP ? nowMs : runs.at(-1) ?? fromMs, runs.length > 1)
  }
  if (isMissed && job.catchUp === 'one') return done([first], nowMs)
  // Of those that are only late the last one is enough.
  const runs = until(isMissed ? job.pattern.next(Math.max(fromMs, nowMs - LATE_MS - job.jitterMs)) : first)
  return done(runs.slice(-1), runs.at(-1) ?? (isMissed ? nowMs - LATE_MS - job.jitterMs : fromMs))
}

/** When a job that has planned everything up to `afterMs` is to be looked at. */
export function nextStart(job: Recurrence, afterMs: number): number | undefined {
  const next = job.pattern.next(afterMs)
  return next === undefined ? undefined : next + jitterOf(job, next)
}

/** Always the same for the same run: so every replica, and one that was restarted, begins it at the same moment. */
function jitterOf({ id, jitterMs }: Recurrence, moment: number): number {
  if (jitterMs === 0) return 0
  // Source: FNV-1a, 32 bits.
  let hash = 0x811c9dc5
  for (const char of `${id} ${moment}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return (hash >>> 0) % (jitterMs + 1)
}

/**
 * How many calls of one function run at a time: grows while it copes, shrinks at once when it says 429 or becomes
 * slower. Pure; a sample of each call that has ended goes in.
 */
export type Pace = {
  readonly limit: number
  /** Once it has shrunk it feels its way: one more for each full round instead of one more for each call. */
  readonly isCareful: boolean
  /** Calls that ended at the limit since it last changed. */
  readonly ended: number
  /** Counts the shrinks: calls begun before the last one say nothing about the limit now. */
  readonly generation: number
  /** How long a call takes when few run, on average; `undefined` before the first. */
  readonly baseMs: number | undefined
  /** How much calls then differ from it, on average. */
  readonly spreadMs: number
  /** Average of the latest calls. */
  readonly recentMs: number
}

export type Sample = {
  /** `generation` when the call began. */
  readonly generation: number
  /** `undefined` when it says nothing about how fast the function is. */
  readonly ms: number | undefined
  /** The function, or what stands for it, could not take it. */
  readonly isBusy: boolean
  /** As many calls as allowed ran when it began. */
  readonly wasFull: boolean
}

export const startPace: Pace = { limit: 2, isCareful: false, ended: 0, generation: 0, baseMs: undefined, spreadMs: 0, recentMs: 0 }

const BUSY_FACTOR = 0.5
const SLOW_FACTOR = 0.8
/** So many times slower than with few counts as rising; beyond what calls differ anyway, and some milliseconds of noise. */
const RISE = 2
const NOISE_MS = 20
const RECENT_WEIGHT = 0.1
/**
 * The base is learnt while so few run: what is slow then is slow by itself. A function that has become slower for good
 * gets there, for the limit falls until it does. The calls of one function may differ much, so it stays for a while.
 */
const QUIET_LIMIT = 2
const QUIET_CALLS = 8
const BASE_WEIGHT = 0.1

export function adapt(pace: Pace, sample: Sample, maxLimit: number): Pace {
  const isOld = sample.generation !== pace.generation
  if (sample.isBusy) return isOld ? pace : shrink(pace, BUSY_FACTOR)
  const timed = sample.ms === undefined ? pace : time(pace, sample.ms)
  if (isOld) return timed
  const { baseMs, recentMs, spreadMs } = timed
  if (pace.limit > 1 && baseMs !== undefined && recentMs > baseMs * RISE + spreadMs + NOISE_MS) {
    // The average begins anew: it tells of the limit before.
    return { ...shrink(timed, SLOW_FACTOR), recentMs: baseMs }
  }
  if (!sample.wasFull || pace.limit >= maxLimit) return timed
  const ended = pace.ended + 1
  const needed = !pace.isCareful ? 1 : pace.limit <= QUIET_LIMIT ? QUIET_CALLS : pace.limit
  return ended < needed ? { ...timed, ended } : { ...timed, limit: pace.limit + 1, ended: 0 }
}

function time(pace: Pace, ms: number): Pace {
  if (pace.baseMs === undefined) return { ...pace, baseMs: ms, recentMs: ms }
  const recentMs = pace.recentMs + (ms - pace.recentMs) * RECENT_WEIGHT
  const isKnown = pace.limit > QUIET_LIMIT && recentMs > pace.baseMs / RISE
  if (isKnown) return { ...pace, recentMs }
  const apartMs = ms - pace.baseMs
  return { ...pace, recentMs, baseMs: pace.baseMs + apartMs * BASE_WEIGHT, spreadMs: pace.spreadMs + (Math.abs(apartMs) - pace.spreadMs) * BASE_WEIGHT }
}

function shrink(pace: Pace, factor: number): Pace {
  return { ...pace, limit: Math.max(1, Math.floor(pace.limit * factor)), isCareful: true, ended: 0, generation: pace.generation + 1 }
}

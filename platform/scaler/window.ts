/** The last seconds of one function's counts, and the loads in them. Pure: no clock. */
import type { FunctionLoad } from '../metrics/function-load.ts'

export type Window = readonly FunctionLoad[]

/** Calls a second, and calls under way on the mean: `quick` to see a step at once, `steady` to see through noise. */
export type Rates = {
  readonly startedPerSecond: number
  readonly quickPerSecond: number
  readonly underWay: number
  readonly quickUnderWay: number
}

/** As long as a steady load is looked at; OpenFaaS's Community Edition uses the same. */
const STEADY_MS = 10_000
/**
 * A step shows at once in a short time, but only among so many calls that it is not chance: 50 are right to within a
 * seventh, mostly. Fewer calls are looked at for longer.
 */
const QUICK = [{ ms: 1_500, calls: 50 }, { ms: 5_000, calls: 30 }] as const

/** Adds what was counted now. What is lower than before was counted by somebody new: the past says nothing then. */
export function look(window: Window, now: FunctionLoad): Window {
  const last = window.at(-1)
  if (last === undefined || now.started < last.started || now.finished < last.finished || now.atMs < last.atMs) return [now]
  // One from before the steady time is kept: it is where that time begins.
  const from = window.findLastIndex((one) => one.atMs <= now.atMs - STEADY_MS)
  return [...window.slice(Math.max(0, from)), now]
}

export function ratesOf(window: Window): Rates {
  const steady = over(window, STEADY_MS)
  const quick = QUICK.map(({ ms, calls }) => ({ ...over(window, ms), isEnough: over(window, ms).calls >= calls }))
  return {
    startedPerSecond: steady.perSecond,
    quickPerSecond: quick.find(({ isEnough }) => isEnough)?.perSecond ?? 0,
    underWay: steady.underWay,
    quickUnderWay: quick[0]?.underWay ?? 0,
  }
}

/** Whether anything ran, began or ended since the last look. */
export function hasWork(window: Window): boolean {
  const now = window.at(-1)
  const before = window.at(-2)
  if (now === undefined) return false
  return now.inFlight > 0 || (before !== undefined && (now.started !== before.started || now.finished !== before.finished))
}

/**
 * Over the last `ms`. What was counted for a shorter time is taken as if there had been nothing before: a function that
 * has just been deployed, or a scaler that has just begun, must not take three calls for hundreds a second.
 */
function over(window: Window, ms: number): { calls: number; perSecond: number; underWay: number } {
  const now = window.at(-1)
  const first = window.findLast((one) => now !== undefined && one.atMs <= now.atMs - ms) ?? window[0]
  if (now === undefined || first === undefined) return { calls: 0, perSecond: 0, underWay: 0 }
  const spanMs = Math.max(ms, now.atMs - first.atMs)
  const calls = now.started - first.started
  return { calls, perSecond: calls / spanMs * 1_000, underWay: (now.busyMs - first.busyMs) / spanMs }
}

/** How many replicas a function should have. Pure: the same sights and memory always decide the same. */
import type { ScalePolicy } from '../openfaas/labels.ts'
import type { Rates } from './window.ts'

export type Seen = {
  /** Any clock, as long as it is always the same. */
  readonly nowMs: number
  /** Replicas asked for. */
  readonly wanted: number
  /** Replicas that take calls. */
  readonly ready: number
  readonly rates: Rates
  /** Calls that wait for a replica. */
  readonly waiting: number
  /** Something ran, began or ended since the last look. */
  readonly hasWork: boolean
  /** Queued calls for it. */
  readonly backlog: number
  /** Thousandths of a core that its replicas use together; 0 unless asked for. */
  readonly milliCores: number
  /** Its next run by the calendar is near. */
  readonly isDueSoon: boolean
}

/** What one decision leaves for the next. */
export type Memory = {
  readonly decided: number
  /** When it last had work. */
  readonly workedMs: number
  /** What the load has asked for: only what is still the highest of its time. Oldest, and highest, first. */
  readonly peaks: readonly { readonly atMs: number; readonly replicas: number }[]
  /** Since when there have been more calls than the `step` rule waits for. */
  readonly busySinceMs: number | undefined
  readonly lastBusyMs: number
  readonly steppedMs: number
  /** Since when all replicas asked for have been ready. */
  readonly completeSinceMs: number | undefined
}

export type Decision = { readonly replicas: number; readonly memory: Memory }

/** A quick rate counts as more only beyond this: chance alone should not start a process. */
const QUICK_TOLERANCE = 1.1
/** The rule of OpenFaaS's Community Edition: more than 5 calls a second over 10 s, for 5 s. */
const STEP_CALLS_PER_SECOND = 5
const STEP_AFTER_MS = 5_000
/** Between two steps: long enough to see what the last one did. There it is 30 s to 40 s. */
const STEP_EVERY_MS = 15_000
/** So long below it: back to the lower bound. With the 10 s of the rate well within a minute. */
const CALM_MS = 30_000
/** A replica's start costs CPU itself: so long after it, and not before, CPU says something about calls. */
const CPU_SETTLE_MS = 5_000

/** `memory` is absent at the first look: what is there then is taken as right, and given time. */
export function decide(policy: ScalePolicy, seen: Seen, memory: Memory | undefined): Decision {
  const { nowMs, wanted } = seen
  const known = memory ?? fresh(nowMs, wanted)
  // Somebody else has asked for another number: that is given as much time as if the load had asked for it.
  const before = known.decided === wanted ? known : { ...fresh(nowMs, wanted), busySinceMs: known.busySinceMs }
  const present = observe(policy, seen, before)
  const replicas = choose(policy, seen, present)
  const isStep = policy.rule === 'step' && replicas > wanted
  return { replicas, memory: { ...present, decided: replicas, ...(isStep ? { steppedMs: nowMs } : {}) } }
}

function fresh(nowMs: number, wanted: number): Memory {
  return {
    decided: wanted, workedMs: nowMs, peaks: [{ atMs: nowMs, replicas: wanted }], busySinceMs: undefined,
    lastBusyMs: nowMs, steppedMs: -Infinity, completeSinceMs: undefined,
  }
}

function observe(policy: ScalePolicy, seen: Seen, memory: Memory): Memory {
  const { nowMs, wanted, ready, rates } = seen
  const isBusy = rates.startedPerSecond > STEP_CALLS_PER_SECOND
  const completeSinceMs = ready < wanted ? undefined : memory.completeSinceMs ?? nowMs
  const now = { atMs: nowMs, replicas: recommend(policy, seen, completeSinceMs) }
  return {
    ...memory,
    workedMs: seen.hasWork || seen.waiting > 0 || seen.backlog > 0 ? nowMs : memory.workedMs,
    peaks: [...memory.peaks.filter(({ atMs, replicas }) => atMs > nowMs - policy.downWindowMs && replicas > now.replicas), now],
    busySinceMs: isBusy ? memory.busySinceMs ?? nowMs : undefined,
    lastBusyMs: isBusy ? nowMs : memory.lastBusyMs,
    completeSinceMs,
  }
}

function choose(policy: ScalePolicy, seen: Seen, memory: Memory): number {
  const { nowMs, wanted, waiting } = seen
  // Asleep: a call wakes it, nothing else.
  if (wanted === 0) return 0
  const isIdle = policy.zeroAfterMs !== undefined && nowMs - memory.workedMs >= policy.zeroAfterMs
  if (isIdle && !seen.isDueSoon) return 0
  const goal = policy.rule === 'target' ? targetGoal(seen, memory)
    : policy.rule === 'step' ? stepGoal(policy, seen, memory)
    : wanted
  return goal < wanted && waiting > 0 ? wanted : goal
}

function targetGoal({ wanted }: Seen, { peaks }: Memory): number {
  const asked = peaks.at(-1)?.replicas ?? wanted
  const highest = peaks[0]?.replicas ?? asked
  return asked >= wanted ? asked : Math.min(wanted, highest)
}

function stepGoal(policy: ScalePolicy, { nowMs, wanted }: Seen, memory: Memory): number {
  const { busySinceMs, lastBusyMs, steppedMs } = memory
  const isSustained = busySinceMs !== undefined && nowMs - busySinceMs >= STEP_AFTER_MS
  if (isSustained && nowMs - steppedMs >= STEP_EVERY_MS) return stepUp(policy, wanted)
  return nowMs - lastBusyMs >= CALM_MS ? lowest(policy) : within(policy, wanted)
}

/** One step of the Community Edition's rule. */
export function stepUp(policy: ScalePolicy, wanted: number): number {
  return within(policy, wanted + Math.ceil(policy.max * policy.factorPercent / 100))
}

/** Awake, a function has one replica at least. */
export function lowest(policy: ScalePolicy): number {
  return Math.max(1, policy.min)
}

/** What the load asks for, by OpenFaaS Standard's formula: the whole load over what one replica is meant to carry. */
function recommend(policy: ScalePolicy, seen: Seen, completeSinceMs: number | undefined): number {
  const { rates, backlog, milliCores, wanted, nowMs } = seen
  const { type, loadPerReplica } = policy
  const needed = (load: number): number => Math.ceil(load / loadPerReplica - ROUNDING)
  const both = (steady: number, quick: number): number => Math.max(needed(steady), needed(quick / QUICK_TOLERANCE))
  if (type === 'rps') return within(policy, both(rates.startedPerSecond, rates.quickPerSecond))
  if (type === 'capacity') return within(policy, both(rates.underWay, rates.quickUnderWay))
  if (type === 'queue') return within(policy, needed(backlog))
  const isSettled = completeSinceMs !== undefined && nowMs - completeSinceMs >= CPU_SETTLE_MS
  return isSettled ? within(policy, needed(milliCores)) : wanted
}

/** A load of exactly the target needs no further replica because of a rounding error. */
const ROUNDING = 1e-9

function within(policy: ScalePolicy, replicas: number): number {
  return Math.min(policy.max, Math.max(lowest(policy), replicas))
}

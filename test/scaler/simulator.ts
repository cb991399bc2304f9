/** A function under load in simulated time: calls arrive, wait, run and end on replicas; `decide` says how many there are. */
import { loadOf } from '../../platform/metrics/function-load.ts'
import { begin, createFunctionSeries, end } from '../../platform/metrics/invocations.ts'
import { readScalePolicy } from '../../platform/openfaas/labels.ts'
import { decide, type Memory } from '../../platform/scaler/decide.ts'
import { hasWork, look, ratesOf, type Window } from '../../platform/scaler/window.ts'

export type World = {
  readonly labels: Readonly<Record<string, string>>
  /** Calls a second at that moment. */
  readonly load: (seconds: number) => number
  readonly seconds: number
  readonly callMs?: number
  /** Calls one replica works on at a time. */
  readonly slots?: number
  readonly startMs?: number
  readonly replicas?: number
  /** Thousandths of a core that one call under way uses. */
  readonly milliCoresPerCall?: number
  /** The same that a starting replica uses. */
  readonly milliCoresPerStart?: number
  /** Calls come at random moments, or evenly. */
  readonly arrivals?: 'random' | 'even'
  readonly backlog?: (seconds: number) => number
  readonly isDueSoon?: (seconds: number) => boolean
  readonly seed?: number
}

export type Change = { readonly atMs: number; readonly from: number; readonly to: number; readonly waiting: number }

export type Story = {
  readonly changes: readonly Change[]
  /** Replicas asked for at each look. */
  readonly timeline: readonly { readonly atMs: number; readonly replicas: number }[]
  readonly calls: number
  readonly latenciesMs: readonly number[]
  at(seconds: number): number
  most(): number
  /** Changes of direction: up after down, down after up. */
  turns(): number
}

const STEP_MS = 10
const LOOK_EVERY_MS = 500

type Call = { readonly beganMs: number; readonly endMs: number }
type Replica = { readonly readyMs: number; calls: Call[] }

export function simulate(world: World): Story {
  const { load, callMs = 50, slots = 10, startMs = 200, arrivals = 'random' } = world
  const policy = readScalePolicy(world.labels)
  const random = seeded(world.seed ?? 1)
  const series = createFunctionSeries('simulated')
  const changes: Change[] = []
  const timeline: { atMs: number; replicas: number }[] = []
  const latenciesMs: number[] = []
  const waiting: number[] = []
  let wanted = world.replicas ?? 1
  let replicas: Replica[] = Array.from({ length: wanted }, () => ({ readyMs: 0, calls: [] }))
  let draining: Replica[] = []
  let window: Window = []
  let memory: Memory | undefined
  let owed = 0

  const scale = (to: number, atMs: number): void => {
    changes.push({ atMs, from: wanted, to, waiting: waiting.length })
    wanted = to
    while (replicas.length < to) replicas.push({ readyMs: atMs + startMs, calls: [] })
    draining = [...draining, ...replicas.slice(to)]
    replicas = replicas.slice(0, to)
  }

  for (let atMs = 0; atMs < world.seconds * 1000; atMs += STEP_MS) {
    for (const replica of [...replicas, ...draining]) {
      for (const { beganMs } of replica.calls.filter(({ endMs }) => endMs <= atMs)) {
        end(series, 200, beganMs, atMs)
        latenciesMs.push(atMs - beganMs)
      }
      replica.calls = replica.calls.filter(({ endMs }) => endMs > atMs)
    }
    draining = draining.filter(({ calls }) => calls.length > 0)
    const expected = load(atMs / 1000) * STEP_MS / 1000
    const count = arrivals === 'random' ? poisson(expected, random) : Math.floor(owed + expected + 1e-9)
    if (arrivals === 'even') owed += expected - count
    for (let index = 0; index < count; index++) {
      begin(series, atMs)
      waiting.push(atMs)
      if (wanted === 0) scale(Math.max(1, policy.min), atMs)
    }
    for (;;) {
      const free = replicas.filter((one) => one.readyMs <= atMs && one.calls.length < slots).sort((a, b) => a.calls.length - b.calls.length)[0]
      const beganMs = free && waiting.shift()
      if (free === undefined || beganMs === undefined) break
      free.calls.push({ beganMs, endMs: atMs + callMs })
    }
    if (atMs % LOOK_EVERY_MS !== 0) continue
    const underWay = [...replicas, ...draining].reduce((sum, { calls }) => sum + calls.length, 0)
    const starting = replicas.filter((one) => one.readyMs > atMs).length
    window = look(window, loadOf(series, waiting.length, atMs))
    const decision = decide(policy, {
      nowMs: atMs, wanted, ready: replicas.length - starting, rates: ratesOf(window), waiting: waiting.length,
      hasWork: hasWork(window), backlog: world.backlog?.(atMs / 1000) ?? 0,
      milliCores: underWay * (world.milliCoresPerCall ?? 0) + starting * (world.milliCoresPerStart ?? 0),
      isDueSoon: world.isDueSoon?.(atMs / 1000) ?? false,
    }, memory)
    memory = decision.memory
    if (decision.replicas !== wanted) scale(decision.replicas, atMs)
    timeline.push({ atMs, replicas: wanted })
  }

  return {
    changes, timeline, latenciesMs, calls: series.started,
    at: (seconds) => timeline.findLast((one) => one.atMs <= seconds * 1000)?.replicas ?? NaN,
    most: () => Math.max(...timeline.map((one) => one.replicas)),
    turns: () => changes.filter((one, index) => {
      const before = changes[index - 1]
      return before !== undefined && Math.sign(one.to - one.from) !== Math.sign(before.to - before.from)
    }).length,
  }
}

/** The same numbers for the same seed. Source: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How many events fall into a time in which so many are expected. Source: Knuth. */
function poisson(expected: number, random: () => number): number {
  const limit = Math.exp(-expected)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}

/** The loop: sees what each function has to do, lets `decide` say how many replicas that needs, and asks for them. */
import { backoffMs } from '../lib/backoff.ts'
import { reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { createLoop } from '../lib/loop.ts'
import type { Part } from '../lib/parts.ts'
import type { FunctionLoad } from '../metrics/function-load.ts'
import { readScalePolicy, type ScalePolicy } from '../openfaas/labels.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef } from '../openfaas/types.ts'
import type { Provider, Route, RouteChange } from '../provider/provider.ts'
import { decide, type Memory } from './decide.ts'
import { hasWork, look, ratesOf, type Window } from './window.ts'

export type ScalerDeps = {
  readonly provider: Pick<Provider, 'watch' | 'get' | 'scale'>
  /** What the data path has counted, of all functions. */
  readonly loads: () => Iterable<FunctionLoad>
  /** Queued calls for a function. */
  readonly backlog: (ref: FunctionRef) => number
  /** Milliseconds until its next run by the calendar; `Infinity` when there is none. */
  readonly dueInMs: (ref: FunctionRef) => number
  readonly log: Log
  readonly nowMs?: () => number
}

/** A load step is seen whole after at most four looks. */
const LOOK_EVERY_MS = 500
/** CPU is asked of the provider, which has to measure: less often. */
const CPU_EVERY_MS = 2_000
/** Labels may change without any route changing. */
const REFRESH_EVERY_MS = 30_000
/** What is due sooner is not worth a sleep. */
const DUE_SOON_MS = 10_000
/** Between tries of a scaling that the provider refuses. */
const AGAIN = { firstMs: 1_000, maxMs: 60_000 } as const

type Entry = {
  readonly ref: FunctionRef
  route: Route
  policy: ScalePolicy
  /** When its labels were read last. */
  readMs: number
  window: Window
  memory: Memory | undefined
  milliCores: number
  measuredMs: number
  scaling: Promise<void> | undefined
  failures: number
  notBeforeMs: number
}

export function createScaler(deps: ScalerDeps): Part {
  const { provider, loads, backlog, dueInMs, log, nowMs = () => performance.now() } = deps
  const entries = new Map<string, Entry>()
  let unwatch: (() => void) | undefined

  const note = ({ ref, route }: RouteChange): void => {
    const key = serviceName(ref)
    if (route === undefined) return void entries.delete(key)
    const entry = entries.get(key)
    if (entry !== undefined) {
      entry.route = route
      entry.readMs = -Infinity
      return
    }
    entries.set(key, {
      ref, route, policy: unscaled, readMs: -Infinity, window: [], memory: undefined, milliCores: 0, measuredMs: -Infinity,
      scaling: undefined, failures: 0, notBeforeMs: 0,
    })
  }

  /** What has to be asked of the provider, when it is time to. */
  const refresh = async (entry: Entry): Promise<void> => {
    const now = nowMs()
    const needsCpu = entry.policy.type === 'cpu' && entry.policy.rule === 'target' && entry.route.replicas > 0
    const isCpuDue = needsCpu && now - entry.measuredMs >= CPU_EVERY_MS
    if (!isCpuDue && now - entry.readMs < REFRESH_EVERY_MS) return
    entry.readMs = now
    if (isCpuDue) entry.measuredMs = now
    const status = await provider.get(entry.ref, { withUsage: isCpuDue })
    if (status === undefined) return
    entry.policy = policyOf(status.spec.labels, entry.ref)
    if (status.usage !== undefined) entry.milliCores = status.usage.cpu
  }

  /** Labels that came another way than through the gateway may make no sense. */
  const policyOf = (labels: Readonly<Record<string, string>>, { name, namespace }: FunctionRef): ScalePolicy => {
    try {
      return readScalePolicy(labels)
    } catch (error) {
      log.warn('function is not scaled: its labels make no sense', { function: name, namespace, error: reasonOf(error) })
      return unscaled
    }
  }

  const judge = (entry: Entry, load: FunctionLoad): void => {
    const { ref, route, policy } = entry
    if (policy.rule === 'fixed' && policy.zeroAfterMs === undefined) return
    if (route.replicas === 0) {
      // Asleep: only a call wakes it. What is counted from now on is what has woken it.
      entry.window = [load]
      entry.memory = undefined
      return
    }
    entry.window = look(entry.window, load)
    const decision = decide(policy, {
      nowMs: nowMs(), wanted: route.replicas, ready: route.endpoints.length, rates: ratesOf(entry.window),
      waiting: load.waiting, hasWork: hasWork(entry.window), backlog: backlog(ref), milliCores: entry.milliCores,
      isDueSoon: dueInMs(ref) <= DUE_SOON_MS,
    }, entry.memory)
    // While one is under way the route says the old number: that is not somebody else's wish.
    if (entry.scaling !== undefined) return
    entry.memory = decision.memory
    if (decision.replicas === route.replicas) return
    if (nowMs() < entry.notBeforeMs) return keep(entry, route.replicas)
    entry.scaling = scale(entry, decision.replicas).finally(() => { entry.scaling = undefined })
  }

  /** What was decided was not done: the next look decides anew. */
  const keep = (entry: Entry, replicas: number): void => {
    if (entry.memory !== undefined) entry.memory = { ...entry.memory, decided: replicas }
  }

  const scale = async (entry: Entry, to: number): Promise<void> => {
    const { ref, route: { replicas: from } } = entry
    const fields = { function: ref.name, namespace: ref.namespace, from, to }
    try {
      await provider.scale(ref, to)
      entry.failures = 0
      log.info('scaled', fields)
    } catch (error) {
      keep(entry, from)
      if (!entries.has(serviceName(ref))) return
      entry.failures++
      entry.notBeforeMs = nowMs() + backoffMs(entry.failures + 1, AGAIN)
      log.warn('scaling failed', { ...fields, error })
    }
  }

  const loop = createLoop({
    everyMs: LOOK_EVERY_MS,
    async round() {
      for (const entry of entries.values()) await refresh(entry).catch((error: unknown) => {
        log.warn('function could not be looked at', { function: entry.ref.name, namespace: entry.ref.namespace, error })
      })
      // Counted last: what begins from here on is served or waits, whatever is decided.
      for (const load of loads()) {
        const entry = entries.get(load.name)
        if (entry !== undefined) judge(entry, load)
      }
    },
    onError: (error) => log.error('scaling round failed', { error }),
  })

  return {
    async start() {
      unwatch ??= provider.watch(note)
      await loop.start()
    },
    async stop() {
      await loop.stop()
      unwatch?.()
      unwatch = undefined
      await Promise.allSettled([...entries.values()].map(({ scaling }) => scaling))
      entries.clear()
    },
  }
}

const unscaled = readScalePolicy({})

/** From zero to one: for a call that found no replica. One try at a time for each function, however many calls wait. */
import { backoffMs } from '../lib/backoff.ts'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import { readScalePolicy } from '../openfaas/labels.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef, FunctionStatus } from '../openfaas/types.ts'
import type { Provider, RouteChange } from '../provider/provider.ts'
import { lowest } from './decide.ts'

export type Wake = Part & {
  /**
   * Sees to it that the function runs: one that sleeps is scaled to its lower bound. Resolves when a replica is ready,
   * it was put to sleep again, or it takes long: whoever still waits asks again. `NOT_FOUND`; `UNAVAILABLE` with the reason when it cannot start, and at once for a
   * while after that.
   */
  wake(ref: FunctionRef): Promise<void>
  /** What the provider says is wrong with it; `undefined` when that is nothing. */
  whyNotReady(ref: FunctionRef): Promise<string | undefined>
}

export type WakeDeps = { readonly provider: Pick<Provider, 'watch' | 'get' | 'scale'>; readonly log: Log; readonly nowMs?: () => number }

/** How often a function that is starting is asked what is wrong with it. */
const LOOK_EVERY_MS = 100
/** A function that has ended several times in a row gets so long to come up after all: twice a slow board's start. */
const LOOP_PATIENCE_MS = 3_000
/** Longer than that a flight watches nobody's calls: those who still wait ask again. */
const WATCH_MS = 5_000
/** After a try that failed the reason is the answer at once, for so long; longer with each further one. */
const AGAIN = { firstMs: 1_000, maxMs: 10_000 } as const

type Failure = { readonly error: BrambleError; readonly count: number; readonly untilMs: number }

export function createWake({ provider, log, nowMs = () => performance.now() }: WakeDeps): Wake {
  const flights = new Map<string, Promise<void>>()
  const failures = new Map<string, Failure>()
  /** Those who wait for a replica: told of each change of the route, or that there is no time left. */
  const watchers = new Map<string, { tell(change: RouteChange): void; cancel(error: BrambleError): void }>()
  let unwatch: (() => void) | undefined

  const fly = async (ref: FunctionRef, key: string): Promise<void> => {
    const failure = failures.get(key)
    if (failure !== undefined && failure.untilMs > nowMs()) throw failure.error
    try {
      const status = await find(ref)
      if (status.replicas === 0) {
        const replicas = lowest(readScalePolicy(status.spec.labels))
        await provider.scale(ref, replicas)
        log.info('woken', { function: ref.name, namespace: ref.namespace, to: replicas })
      }
      await becomesReady(ref, key)
    } catch (cause) {
      const isGone = cause instanceof BrambleError && cause.code === 'NOT_FOUND'
      const error = isGone ? cause : new BrambleError('UNAVAILABLE', `${key} cannot be started: ${reasonOf(cause)}`, { cause })
      const count = (failures.get(key)?.count ?? 0) + 1
      if (isGone) failures.delete(key)
      else failures.set(key, { error, count, untilMs: nowMs() + backoffMs(count + 1, AGAIN) })
      if (!isGone) log.warn('function cannot be started', { function: ref.name, namespace: ref.namespace, error: cause })
      throw error
    }
  }

  const find = async (ref: FunctionRef): Promise<FunctionStatus> => {
    const status = await provider.get(ref)
    if (status === undefined) throw new BrambleError('NOT_FOUND', `function ${serviceName(ref)} was removed`)
    return status
  }

  /** The route says when it is ready; the conditions, looked at in between, say when it never will be. */
  const becomesReady = async (ref: FunctionRef, key: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let loopingSinceMs: number | undefined
    // A provider may know later than it has acted: until it does, 0 means nothing.
    let isAwake = false
    const isAsleepAgain = (replicas: number): boolean => {
      isAwake ||= replicas > 0
      return isAwake && replicas === 0
    }
    const sinceMs = nowMs()
    const look = async (): Promise<void> => {
      const status = await find(ref)
      if (status.availableReplicas > 0 || isAsleepAgain(status.replicas) || nowMs() - sinceMs >= WATCH_MS) return resolve()
      const loop = status.conditions.find(({ reason }) => reason === 'CrashLoop')
      loopingSinceMs = loop && (loopingSinceMs ?? nowMs())
      if (loop && nowMs() - (loopingSinceMs ?? nowMs()) >= LOOP_PATIENCE_MS) reject(new Error(loop.message))
    }
    watchers.set(key, {
      tell({ route }) {
        if (route === undefined) reject(new BrambleError('NOT_FOUND', `function ${key} was removed`))
        else if (route.endpoints.length > 0 || isAsleepAgain(route.replicas)) resolve()
      },
      cancel: reject,
    })
    // The next look only after the last: a provider that is slow to answer is not asked more often.
    let timer: NodeJS.Timeout | undefined
    const lookOn = async (): Promise<void> => {
      await look().catch(reject)
      if (watchers.has(key)) timer = setTimeout(() => void lookOn(), LOOK_EVERY_MS)
    }
    void lookOn()
    try {
      await promise
    } finally {
      watchers.delete(key)
      clearTimeout(timer)
    }
  }

  return {
    wake(ref) {
      const key = serviceName(ref)
      const flight = flights.get(key) ?? fly(ref, key).finally(() => flights.delete(key))
      flights.set(key, flight)
      return flight
    },
    async whyNotReady(ref) {
      return (await provider.get(ref))?.conditions.find(({ reason }) => reason !== 'Starting')?.message
    },
    async start() {
      unwatch ??= provider.watch((change) => {
        const key = serviceName(change.ref)
        // What failed before has been mended, or is gone.
        if (change.route === undefined || change.route.endpoints.length > 0) failures.delete(key)
        watchers.get(key)?.tell(change)
      })
    },
    async stop() {
      unwatch?.()
      unwatch = undefined
      for (const { cancel } of watchers.values()) cancel(new BrambleError('UNAVAILABLE', 'the platform stops'))
      await Promise.allSettled(flights.values())
    },
  }
}

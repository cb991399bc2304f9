/**
 * Takes what is due and tries it: calls of functions, and callbacks with their answers. At least once, each function at
 * its own pace, all of them in fair shares.
 */
import { backoffMs } from '../lib/backoff.ts'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import { serviceName } from '../openfaas/names.ts'
import { defaultRetryPolicy, type RetryPolicy } from '../openfaas/retry-policy.ts'
import type { FunctionRef } from '../openfaas/types.ts'
import { answeredBy, unreachable, type CallResult } from './call-result.ts'
import { callbackMessage } from './callback-message.ts'
import type { CallbackSender } from './callback.ts'
import { adapt, startPace, type Pace } from './concurrency.ts'
import { share } from './fairness.ts'
import type { FunctionCall } from './function-call.ts'
import type { CallHead, Delivery, LaneState, Outcome, Queue } from './queue.ts'
import { judge, type Answered } from './retry.ts'

export type DispatchDeps = {
  readonly queue: Queue
  readonly call: FunctionCall
  readonly callbacks: CallbackSender
  /** Asked after a failure; the default policy holds where it fails. */
  readonly policyOf: (ref: FunctionRef) => Promise<RetryPolicy>
  /** For calls under way when it stops; what runs longer is tried again by the next start. */
  readonly shutdownTimeoutMs: number
  /** The largest answer that a callback takes along. */
  readonly callbackBodyBytes: number
  readonly log: Log
  readonly leaseMs?: number
  readonly maxInFlight?: number
  readonly random?: () => number
}

/** What has become of the messages of one function. */
export type DispatchCounts = {
  readonly ref: FunctionRef
  /** Due or under way. */
  readonly pending: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  /** Tries by status. */
  readonly processed: ReadonlyMap<number, number>
}

export type Dispatch = Part & {
  /** Calls of a function that are due or under way: its load. */
  backlog(ref: FunctionRef): number
  /** Ends what waits or runs under this call id; `NOT_FOUND`. */
  cancel(callId: string): Promise<void>
  snapshot(): readonly DispatchCounts[]
}

type Lane = {
  state: LaneState
  inFlight: number
  /** Asked for and not yet here. */
  coming: number
  pace: Pace
  /** Tries in a row that found nobody able to take them. */
  refusals: number
  pausedUntilMs: number
  readonly processed: Map<number, number>
}

type Try = { readonly delivery: Delivery; readonly controller: AbortController }

/** A dead dispatcher's messages are tried again so much later. */
const LEASE_MS = 60_000
const EXTENSIONS_PER_LEASE = 3
/** Calls and callbacks at a time; each holds a socket and a body. */
const MAX_IN_FLIGHT = 100
/** Bodies that one request for messages brings into memory, and those of all calls under way. */
const TAKE_BYTES = 4 * 2 ** 20
const MAX_BODY_BYTES = 32 * 2 ** 20
/** How long a function that takes nothing is left alone: at first, and at most. */
const PAUSE = { firstMs: 100, maxMs: 10_000 }
/** A receiver that is away longer than some minutes does not wait for the answer any more. */
const callbackPolicy: RetryPolicy = { attempts: 10, codes: [408, 429, 500, 502, 503, 504], minWaitMs: 5_000, maxWaitMs: 120_000 }

export function createDispatch(deps: DispatchDeps): Dispatch {
  const { queue, call, callbacks, policyOf, log, leaseMs = LEASE_MS, maxInFlight = MAX_IN_FLIGHT, random = Math.random } = deps
  const lanes = new Map<string, Lane>()
  const tries = new Map<string, Try>()
  let unwatch: (() => void) | undefined
  let extender: NodeJS.Timeout | undefined
  let resumer: NodeJS.Timeout | undefined
  let bodyBytes = 0
  let isScheduled = false
  let isRunning = false
  let turn = 0

  const onLane = (state: LaneState): void => {
    const lane = lanes.get(state.name)
    if (lane !== undefined) lane.state = state
    else lanes.set(state.name, { state, inFlight: 0, coming: 0, pace: startPace, refusals: 0, pausedUntilMs: 0, processed: new Map() })
    if (state.due > 0) schedule()
  }
  const schedule = (): void => {
    if (isScheduled || !isRunning) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      if (isRunning) takeMore()
    })
  }
  const takeMore = (): void => {
    const now = performance.now()
    let soonest = Infinity
    const needs = [...lanes].map(([name, lane]) => {
      const isPaused = lane.pausedUntilMs > now
      if (isPaused && lane.state.due > 0) soonest = Math.min(soonest, lane.pausedUntilMs)
      return { name, due: isPaused ? 0 : Math.max(0, lane.state.due - lane.coming), inFlight: lane.inFlight + lane.coming, limit: lane.pace.limit }
    })
    clearTimeout(resumer)
    if (soonest < Infinity) resumer = setTimeout(schedule, Math.ceil(soonest - now))
    // With too much in memory only those begin that run nothing.
    for (const [name, count] of share(needs, bodyBytes < MAX_BODY_BYTES ? maxInFlight : 0, turn++)) {
      const lane = lanes.get(name)
      if (lane !== undefined) void take(lane, count)
    }
  }
  const take = async (lane: Lane, count: number): Promise<void> => {
    lane.coming += count
    try {
      const deliveries = await queue.take(lane.state.name, { count, bytes: TAKE_BYTES }, leaseMs)
      // Those that came after the stop: nobody works on them.
      if (!isRunning) await Promise.all(deliveries.map(({ lease }) => settle(lease, { kind: 'release' })))
      else for (const delivery of deliveries) void attempt(lane, delivery)
      // The bytes were too many: the others are still due.
      if (deliveries.length > 0 && deliveries.length < count) schedule()
    } catch (error) {
      log.warn('the queue gives no messages', { error: reasonOf(error) })
    } finally {
      lane.coming -= count
    }
  }

  const attempt = async (lane: Lane, delivery: Delivery): Promise<void> => {
    const controller = new AbortController()
    const { generation, limit } = lane.pace
    lane.inFlight++
    bodyBytes += delivery.body.length
    const wasFull = lane.inFlight >= limit
    tries.set(delivery.lease, { delivery, controller })
    const startMs = performance.now()
    const result = await resultOf(delivery, controller.signal)
    const ms = performance.now() - startMs
    lane.inFlight--
    bodyBytes -= delivery.body.length
    // Cancelled, or the platform stops: that says nothing about the function.
    if (controller.signal.aborted) {
      await settle(delivery.lease, { kind: 'release' })
    } else {
      const answer = typeof result === 'string' ? undefined : answeredBy(result, Date.now())
      // The function is free again: before the outcome is durable, which a slow disk may take its time for.
      count(lane, answer, { generation, ms, wasFull })
      await settle(delivery.lease, await outcomeOf(delivery, result, answer, ms))
    }
    tries.delete(delivery.lease)
    schedule()
  }
  /** A text says why it must not be tried again. */
  const resultOf = async ({ head, body }: Delivery, signal: AbortSignal): Promise<CallResult | string> => {
    try {
      return head.kind === 'call'
        ? await call(head, body, head.callbackUrl === undefined ? 0 : deps.callbackBodyBytes, signal)
        : await callbacks.send(head, body, signal)
    } catch (error) {
      if (error instanceof BrambleError && (error.code === 'FORBIDDEN' || error.code === 'INVALID')) return error.message
      if (!signal.aborted) log.debug('nobody answered', { function: serviceName(head.ref), callId: head.callId, error: reasonOf(error) })
      return unreachable
    }
  }
  const count = (lane: Lane, answer: Answered | undefined, sample: { generation: number; ms: number; wasFull: boolean }): void => {
    const status = answer?.status ?? 0
    lane.processed.set(status, (lane.processed.get(status) ?? 0) + 1)
    const isBusy = answer !== undefined && (status === 429 || status === 503 || (answer.isInternal && status >= 500))
    // An error may come much faster than an answer.
    lane.pace = adapt(lane.pace, { ...sample, ms: status < 400 ? sample.ms : undefined, isBusy }, maxInFlight)
    lane.refusals = isBusy ? lane.refusals + 1 : 0
    if (isBusy && lane.inFlight === 0) {
      lane.pausedUntilMs = performance.now() + Math.min(PAUSE.maxMs, answer.retryAfterMs ?? backoffMs(lane.refusals + 1, PAUSE))
    }
    schedule()
  }
  const outcomeOf = async ({ head, attempts, enqueuedAt }: Delivery, result: CallResult | string, answer: Answered | undefined, ms: number): Promise<Outcome> => {
    if (typeof result === 'string' || answer === undefined) return { kind: 'dead', reason: String(result) }
    const wantsCallback = head.kind === 'call' && head.callbackUrl !== undefined
    const policy = head.kind === 'callback' ? callbackPolicy
      : answer.status < 400 && !wantsCallback ? undefined
      : await policyOf(head.ref).catch((error: unknown) => {
        log.warn('the retry policy cannot be read', { function: serviceName(head.ref), error: reasonOf(error) })
        return defaultRetryPolicy
      })
    const verdict = policy === undefined ? { kind: 'done' as const } : judge(answer, attempts, policy, random())
    if (verdict.kind === 'retry') return verdict
    if (verdict.kind === 'dead') {
      log.warn('an asynchronous call is dead', { function: serviceName(head.ref), kind: head.kind, callId: head.callId, reason: verdict.reason, enqueuedAt })
    }
    if (!hasCallback(head) || policy === undefined) return verdict
    return { ...verdict, callback: callbackMessage(head, { result, seconds: ms / 1000, attempts, maxAttempts: policy.attempts }) }
  }
  const settle = async (lease: string, outcome: Outcome): Promise<void> => {
    try {
      const isOurs = await queue.settle(lease, outcome)
      if (!isOurs) log.debug('a call ended after its lease: cancelled, or tried twice', { lease })
    } catch (error) {
      // It is tried again when the lease ends.
      log.error('the outcome of an asynchronous call cannot be kept', { lease, error: reasonOf(error) })
    }
  }
  const extend = (): void => {
    if (tries.size > 0) queue.extend([...tries.keys()], leaseMs).catch((error: unknown) => log.warn('leases cannot be extended', { error: reasonOf(error) }))
  }

  return {
    async start() {
      if (isRunning) return
      isRunning = true
      extender = setInterval(extend, leaseMs / EXTENSIONS_PER_LEASE)
      unwatch = queue.watch(onLane)
    },
    async stop() {
      if (!isRunning) return
      isRunning = false
      unwatch?.()
      clearTimeout(resumer)
      const deadline = performance.now() + deps.shutdownTimeoutMs
      while (hasWork() && performance.now() < deadline) await pause()
      for (const { controller } of tries.values()) controller.abort(new Error('the platform stops'))
      while (hasWork()) await pause()
      clearInterval(extender)
      lanes.clear()
    },
    backlog(ref) {
      const state = lanes.get(serviceName(ref))?.state
      return state === undefined ? 0 : state.due + state.leased
    },
    async cancel(callId) {
      const count = await queue.cancel(callId)
      for (const { delivery, controller } of tries.values()) {
        if (delivery.head.callId === callId) controller.abort(new Error('cancelled'))
      }
      if (count === 0) throw new BrambleError('NOT_FOUND', `no asynchronous call ${callId.slice(0, 80)} waits or runs`)
    },
    snapshot: () => [...lanes.values()].filter(({ state }) => state.kind === 'call').map(({ state, inFlight, processed }) => ({
      ref: state.ref, pending: state.due + state.leased, delayed: state.delayed, inFlight, dead: state.dead, processed,
    })),
  }

  function hasWork(): boolean {
    return tries.size > 0 || [...lanes.values()].some(({ coming }) => coming > 0)
  }
}

const DRAIN_POLL_MS = 10

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
}

function hasCallback(head: Delivery['head']): head is CallHead & { readonly callbackUrl: string } {
  return head.kind === 'call' && head.callbackUrl !== undefined
}

/**
 * The queue on a disk of this machine: this side asks, a thread of its own owns the disk (serve-store.ts), so that an
 * fsync of seconds holds nobody up here. One owner per folder: whoever starts last (owner.ts).
 */
import { createHash } from 'node:crypto'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { Accepted, DeadLetter, Delivery, LaneState, NewMessage, Outcome, Queue } from '../queue.ts'
import type { StoreLimits } from './coming.ts'
import type { Question, Request, Round, StoreSettings } from './messages.ts'
import type { StoredMessage, StoredOutcome } from './store.ts'

export type EmbeddedQueueDeps = {
  readonly dataDir: string
  readonly limits?: Partial<StoreLimits>
  readonly log: Log
  /** The thread's program, beside this one by default, bundled or not; a test has a slow disk in it. */
  readonly threadFile?: URL
}

export const defaultQueueLimits: StoreLimits = {
  /** Each takes about 600 bytes of memory, whatever its size. */
  maxMessages: 100_000,
  /** What an SD card can spare; with waste it is twice that. */
  maxBytes: 512 * 2 ** 20,
  maxDead: 10_000,
  maxDeadBytes: 64 * 2 ** 20,
  maxKeys: 100_000,
}

/** Bodies handed to the thread and not yet durable: what a slow disk may cost in memory. */
const MAX_COMING_BYTES = 32 * 2 ** 20
/** After the thread has died. */
const RESTART_MS = 1_000

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void; readonly bytes: number }

export function createEmbeddedQueue(deps: EmbeddedQueueDeps): Queue {
  const { log, threadFile = new URL(`./store-thread${extname(import.meta.filename)}`, import.meta.url) } = deps
  const settings: StoreSettings = { folder: join(deps.dataDir, 'queue'), limits: { ...defaultQueueLimits, ...deps.limits } }
  const lanes = new Map<string, LaneState>()
  const listeners = new Set<(lane: LaneState) => void>()
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let opening: Promise<void> | undefined
  let restart: NodeJS.Timeout | undefined
  let isWanted = false
  let lastNumber = 0
  let comingBytes = 0
  /** Requests of this turn of the event loop: they travel together. */
  let outgoing: Request[] = []

  const flush = (): void => {
    const requests = outgoing
    outgoing = []
    worker?.postMessage(requests, requests.flatMap(({ question }) => bodiesOf(question)))
  }
  const ask = <T>(question: Question, bytes = 0): Promise<T> => {
    if (worker === undefined) return Promise.reject(new BrambleError('UNAVAILABLE', 'the queue does not run: try again when the platform is ready'))
    const number = ++lastNumber
    if (outgoing.length === 0) setImmediate(flush)
    outgoing.push({ number, question })
    comingBytes += bytes
    return new Promise<T>((resolve, reject) => {
      waiting.set(number, { resolve: (value) => resolve(value as T), reject, bytes })
    })
  }
  /** The caller keeps its bytes: the thread gets a copy, for good. */
  const stored = ({ head, body, delayMs = 0, idempotencyKey }: NewMessage): StoredMessage => ({
    head, body: new Uint8Array(body), delayMs,
    ...(idempotencyKey === undefined ? {} : { key: hashKey(serviceName(head.ref), idempotencyKey) }),
  })
  const storedOutcome = (outcome: Outcome): StoredOutcome => {
    if (outcome.kind === 'retry' || outcome.kind === 'release') return outcome
    const { callback, ...rest } = outcome
    return callback === undefined ? rest : { ...rest, callback: stored(callback) }
  }
  const setLane = (lane: LaneState): void => {
    if (lane.due + lane.delayed + lane.leased + lane.dead === 0) lanes.delete(lane.name)
    else lanes.set(lane.name, lane)
    for (const listener of [...listeners]) listener(lane)
  }
  const onRound = ({ isShutOut = false, answers, lanes, reports }: Round): void => {
    if (isShutOut) isWanted = false
    for (const { level, message, fields } of reports) log[level](message, fields)
    for (const answer of answers) {
      const one = waiting.get(answer.number)
      if (one === undefined) continue
      waiting.delete(answer.number)
      comingBytes -= one.bytes
      if ('error' in answer) one.reject(new BrambleError(answer.error.code, answer.error.message))
      else one.resolve(answer.value)
    }
    for (const lane of lanes) setLane(lane)
  }
  const onExit = (reason: string): void => {
    worker = undefined
    outgoing = []
    for (const { reject, bytes } of waiting.values()) {
      comingBytes -= bytes
      reject(new BrambleError('UNAVAILABLE', `the queue stopped: ${reason}`))
    }
    waiting.clear()
    for (const lane of [...lanes.values()]) setLane({ ...lane, due: 0, delayed: 0, leased: 0, dead: 0 })
  }
  /** Resolves when the store is open. */
  const open = (): Promise<void> => {
    opening ??= begin().finally(() => { opening = undefined })
    return opening
  }
  const begin = (): Promise<void> => new Promise((resolve, reject) => {
    const thread = new Worker(threadFile, { workerData: settings, name: 'queue' })
    let reason = 'its thread ended'
    let isOpen = false
    thread.on('error', (error) => { reason = reasonOf(error) })
    thread.on('message', (round: Round) => {
      if (!isOpen) {
        isOpen = true
        worker = thread
        resolve()
      }
      if (round.isShutOut) reason = 'another platform has taken it over'
      onRound(round)
    })
    thread.on('exit', () => {
      onExit(reason)
      if (!isOpen) return reject(new BrambleError('UNAVAILABLE', `the queue in ${settings.folder} cannot be opened: ${reason}`))
      if (!isWanted) return
      log.error('the queue stopped and is started again', { error: reason })
      reopenSoon()
    })
  })
  const reopenSoon = (): void => {
    restart = setTimeout(() => {
      open().catch((error: unknown) => {
        log.error('the queue cannot be started again', { error })
        if (isWanted) reopenSoon()
      })
    }, RESTART_MS)
  }

  return {
    async start() {
      if (isWanted) return
      isWanted = true
      try {
        await open()
      } catch (error) {
        isWanted = false
        throw error
      }
    },
    async stop() {
      isWanted = false
      clearTimeout(restart)
      await opening?.catch(() => undefined)
      const thread = worker
      if (thread === undefined) return
      const ended = new Promise((resolve) => thread.once('exit', resolve))
      await ask({ kind: 'stop' }).catch(() => undefined)
      await ended
    },
    enqueue(message) {
      if (comingBytes + message.body.length > MAX_COMING_BYTES) {
        return Promise.reject(new BrambleError('BUSY', `the disk of the queue is too slow: ${comingBytes} bytes wait to be written; try again later`))
      }
      return ask<Accepted>({ kind: 'enqueue', message: stored(message) }, message.body.length)
    },
    watch(listener) {
      for (const lane of lanes.values()) listener(lane)
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    take: (lane, limits, leaseMs) => ask<readonly Delivery[]>({ kind: 'take', lane, limits, leaseMs }),
    extend: (leases, leaseMs) => ask<void>({ kind: 'extend', leases, leaseMs }),
    settle: (lease, outcome) => ask<boolean>({ kind: 'settle', lease, outcome: storedOutcome(outcome) }),
    cancel: (callId) => ask<number>({ kind: 'cancel', callId }),
    dead: {
      list: ({ ref, ...options }) => ask<readonly DeadLetter[]>({
        kind: 'listDead', options: ref === undefined ? options : { ...options, service: serviceName(ref) },
      }),
      redrive: (dead) => ask<void>({ kind: 'redrive', dead }),
      remove: (dead) => ask<void>({ kind: 'removeDead', dead }),
    },
  }
}

/** The copies of bodies in a request, to be handed over instead of copied again. */
function bodiesOf(question: Question): ArrayBuffer[] {
  const message = question.kind === 'enqueue' ? question.message
    : question.kind === 'settle' && 'callback' in question.outcome ? question.outcome.callback
    : undefined
  return message?.body.buffer instanceof ArrayBuffer ? [message.body.buffer] : []
}

/** Keys may be long and are kept for a day: the hash is short. 24 characters are 144 bits. */
function hashKey(service: string, key: string): string {
  return createHash('sha256').update(`${service}\0${key}`).digest('base64url').slice(0, 24)
}

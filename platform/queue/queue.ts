/**
 * The port: where asynchronous calls wait until they are done. `embedded/` keeps them on a disk of its own. Delivery is
 * at least once: a message is given out under a lease, and again when the lease ends without an outcome.
 */
import type { Part } from '../lib/parts.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef } from '../openfaas/types.ts'

/** A call of a function. */
export type CallHead = {
  readonly kind: 'call'
  readonly ref: FunctionRef
  /** The caller's name for it; several messages may carry the same one. */
  readonly callId: string
  readonly method: string
  /** What follows the function's name, with the query. */
  readonly path: string
  /** Flat list: name, value, … */
  readonly headers: readonly string[]
  readonly callbackUrl?: string
}

/** The answer of a call, on its way to who asked for it. */
export type CallbackHead = {
  readonly kind: 'callback'
  readonly ref: FunctionRef
  readonly callId: string
  readonly url: string
  readonly headers: readonly string[]
}

export type Head = CallHead | CallbackHead

export type NewMessage = {
  readonly head: Head
  readonly body: Uint8Array
  /** Not given out before so much time has passed. */
  readonly delayMs?: number
  /** The same key for the same function means the same call, for a day. */
  readonly idempotencyKey?: string
}

export type Accepted = {
  /** Of the message that counts: the earlier one's when this is a repetition. */
  readonly callId: string
  readonly isDuplicate: boolean
}

/** Messages that queue behind each other: the calls of one function, or its callbacks. A plain message. */
export type LaneState = {
  readonly name: string
  readonly ref: FunctionRef
  readonly kind: Head['kind']
  /** May be taken now. */
  readonly due: number
  /** Wait for their time. */
  readonly delayed: number
  /** Given out under a lease. */
  readonly leased: number
  readonly dead: number
}

export type Delivery = {
  readonly head: Head
  readonly body: Uint8Array
  /** Names this delivery in `settle` and `extend`; the next one of the same message has another. */
  readonly lease: string
  /** Tries that ended with `retry` so far. */
  readonly attempts: number
  readonly enqueuedAt: Date
}

export type Outcome =
  /** It need not be delivered again. `callback` is queued in the same step: both survive, or neither. */
  | { readonly kind: 'done'; readonly callback?: NewMessage }
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** Kept aside until somebody redrives or removes it. */
  | { readonly kind: 'dead'; readonly reason: string; readonly callback?: NewMessage }
  /** Nobody worked on it: due again at once, and not counted. */
  | { readonly kind: 'release' }

export type DeadLetter = {
  readonly id: string
  readonly kind: Head['kind']
  readonly ref: FunctionRef
  readonly callId: string
  readonly reason: string
  readonly attempts: number
  readonly enqueuedAt: Date
  readonly diedAt: Date
  readonly bodyBytes: number
}

export type Queue = Part & {
  /**
   * Durable when it resolves. `BUSY` when the queue is full, `UNAVAILABLE` when it cannot be written; it may have been
   * kept all the same then.
   */
  enqueue(message: NewMessage): Promise<Accepted>

  /** Calls back with every lane there is, before it returns, then with each change. Returns the way to stop. */
  watch(listener: (lane: LaneState) => void): () => void

  /**
   * Leases due messages of a lane, oldest first: at most `count`, and no further one when `bytes` of bodies are reached.
   * Empty when nothing is due.
   */
  take(lane: string, limits: { readonly count: number; readonly bytes: number }, leaseMs: number): Promise<readonly Delivery[]>
  /** The leases now end so much later from now; those that have ended are ignored. */
  extend(leases: readonly string[], leaseMs: number): Promise<void>
  /** What became of a delivery, durable when it resolves. `false` when the lease had ended: the outcome does not count then. */
  settle(lease: string, outcome: Outcome): Promise<boolean>

  /** Removes what waits or is being delivered under this call id; dead letters stay. How many; durable. */
  cancel(callId: string): Promise<number>

  readonly dead: {
    /** Oldest first, at most so many, beginning after the id of an earlier one. */
    list(options: { readonly ref?: FunctionRef; readonly after?: string; readonly limit: number }): Promise<readonly DeadLetter[]>
    /** Due again, with no try counted. `NOT_FOUND`, `BUSY` when the queue is full. */
    redrive(id: string): Promise<void>
    /** `NOT_FOUND`. */
    remove(id: string): Promise<void>
  }
}

export function laneName(head: Head): string {
  return head.kind === 'call' ? serviceName(head.ref) : `${serviceName(head.ref)} callback`
}

/** A request to `/async-function`, taken apart. */
export type AsyncRequest = {
  readonly ref: FunctionRef
  readonly callId: string
  readonly method: string
  /** What follows the function's name, with the query; empty when nothing does. */
  readonly path: string
  /** Flat list without hop-by-hop headers, `X-Call-Id` and `Content-Length`. */
  readonly headers: readonly string[]
  readonly body: Uint8Array
}

/** What the gateway needs of all this. */
export type AsyncCalls = {
  /** The largest body; more is answered before it has been read. */
  readonly bodyLimitBytes: number
  /**
   * Durable when it resolves: time for the 202, with the call id of the answer. `INVALID` for a callback URL, delay or
   * idempotency key that makes no sense, `FORBIDDEN` for a callback into a private network, `TOO_LARGE`, `BUSY`, `UNAVAILABLE`.
   */
  accept(request: AsyncRequest): Promise<Accepted>
  /** Whatever waits or runs under this call id ends. `NOT_FOUND`. */
  cancel(callId: string): Promise<void>
}

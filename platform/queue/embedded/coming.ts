/** What the changes of a batch will have done once they are durable, and whether there is room for more. No I/O. */
import { BrambleError } from '../../lib/errors.ts'

export type StoreLimits = {
  /** Messages that wait or are being delivered. */
  readonly maxMessages: number
  /** Their size on the disk. */
  readonly maxBytes: number
  /** Dead letters beyond these push the oldest out. */
  readonly maxDead: number
  readonly maxDeadBytes: number
  readonly maxKeys: number
  readonly segmentBytes?: number
}

export type Coming = {
  /** Somebody outside waits. */
  isUrgent: boolean
  count: number
  bytes: number
  dead: number
  deadBytes: number
  /** On the disk as the batch began; asked for once. */
  freeBytes: number | undefined
  /** Idempotency keys and the call ids they will mean. */
  readonly keys: Map<string, string>
  /** Messages whose state changes: they take no second change. */
  readonly touched: Set<number>
}

export function createComing(): Coming {
  return { isUrgent: false, count: 0, bytes: 0, dead: 0, deadBytes: 0, freeBytes: undefined, keys: new Map(), touched: new Set() }
}

/** Why a message of so many bytes more does not fit; `undefined` when it does. */
export function fullness(
  live: { readonly count: number; readonly bytes: number }, coming: Coming, limits: StoreLimits, bytes: number,
): BrambleError | undefined {
  const count = live.count + coming.count
  if (count >= limits.maxMessages) {
    return new BrambleError('BUSY', `the queue is full: ${count} calls wait, the most it takes (queue_max_messages); try again later`)
  }
  if (live.bytes + coming.bytes + bytes <= limits.maxBytes) return undefined
  return new BrambleError('BUSY', `the queue is full: ${live.bytes} bytes wait, the most it takes is ${limits.maxBytes} (queue_max_bytes); try again later`)
}

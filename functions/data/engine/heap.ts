/**
 * SQLite's own memory (sorting, caches, values) grows in a thread and never shrinks. One budget for the threads of all databases,
 * counted in memory that they share: each takes its share before it grows, and gives it back by ending.
 */
import { DataError } from './errors.ts'

export type HeapBudget = {
  /** Of all threads, in pages. */
  readonly taken: SharedArrayBuffer
  readonly limitPages: number
}

/** What one thread has taken. */
export type HeapShare = { readonly budget: HeapBudget; readonly own: SharedArrayBuffer }

/** WebAssembly's. */
const PAGE_BYTES = 65_536
const GIVE_BACK_MS = 1_500

export function createHeapBudget(limitBytes: number): HeapBudget {
  if (limitBytes < PAGE_BYTES) throw new DataError('INVALID', `the memory for statements is ${limitBytes} bytes: give them at least ${PAGE_BYTES}`)
  return { taken: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT), limitPages: Math.floor(limitBytes / PAGE_BYTES) }
}

export function createHeapShare(budget: HeapBudget): HeapShare {
  return { budget, own: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT) }
}

/** Whether there was so much left; fewer than none are given back. */
export function takeHeap({ budget, own }: HeapShare, bytes: number): boolean {
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const taken = new Int32Array(budget.taken)
  if (Atomics.add(taken, 0, pages) + pages > budget.limitPages && pages > 0) {
    Atomics.sub(taken, 0, pages)
    return false
  }
  Atomics.add(new Int32Array(own), 0, pages)
  return true
}

/** Of an ended thread, once the system has its memory back, which takes a moment; may be said twice. */
export function giveHeapBack({ budget, own }: HeapShare): void {
  const pages = Atomics.exchange(new Int32Array(own), 0, 0)
  if (pages > 0) setTimeout(() => Atomics.sub(new Int32Array(budget.taken), 0, pages), GIVE_BACK_MS).unref()
}

export function heapBytes({ own }: HeapShare): number {
  return Atomics.load(new Int32Array(own), 0) * PAGE_BYTES
}

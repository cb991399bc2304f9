/** Coarse time limits for many calls with one timer: for what may stall (a slow body, an unread answer), not for all. */
import type { Part } from '../lib/parts.ts'

export type Deadlines = Part & {
  /** Calls `onLate` once when nothing has been said of `key` again before `afterMs`; replaces an earlier one. */
  set(key: object, afterMs: number, onLate: () => void): void
  clear(key: object): void
}

/** How late a deadline may be noticed. */
const TICK_MS = 250

export function createDeadlines(now: () => number = () => performance.now()): Deadlines {
  const entries = new Map<object, { atMs: number; onLate: () => void }>()
  let timer: NodeJS.Timeout | undefined
  return {
    set: (key, afterMs, onLate) => { entries.set(key, { atMs: now() + afterMs, onLate }) },
    clear: (key) => { entries.delete(key) },
    async start() {
      timer ??= setInterval(() => {
        const at = now()
        for (const [key, entry] of entries) {
          if (entry.atMs > at) continue
          entries.delete(key)
          entry.onLate()
        }
      }, TICK_MS).unref()
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      entries.clear()
    },
  }
}

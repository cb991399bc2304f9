/**
 * Of several control processes that share a folder one leads: it feeds every data path, scales, fires schedules and
 * owns the queue. The others wait, and the next one takes over when it ends or dies.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createFileLock } from './lib/file-lock.ts'
import type { Log } from './lib/log.ts'
import type { Part } from './lib/parts.ts'

/** How soon the end of a leader is noticed. */
const LOOK_EVERY_MS = 100

/** `start` resolves when this process leads, and rejects when `signal` fires before. */
export function createLead({ path, signal, log }: { readonly path: string; readonly signal: AbortSignal; readonly log: Log }): Part {
  const lock = createFileLock(path)
  return {
    async start() {
      if (lock.tryAcquire()) return
      log.info('another process leads; waiting')
      while (!lock.tryAcquire()) await delay(LOOK_EVERY_MS, undefined, { signal })
      log.info('leading')
    },
    async stop() { lock.release() },
  }
}

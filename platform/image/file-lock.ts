/** One process at a time; one that is killed lets go. */
import { setTimeout as delay } from 'node:timers/promises'
import { BrambleError } from '../lib/errors.ts'
import { createFileLock } from '../lib/file-lock.ts'

export type Patience = {
  readonly patienceMs?: number
  readonly signal?: AbortSignal | undefined
}

/** Most work takes milliseconds. */
const RETRY_MS = 10
const PATIENCE_MS = 30_000

/** The file stays. `CONFLICT` when another process does not let go. */
export async function withFileLock<T>(path: string, work: () => Promise<T>, { patienceMs = PATIENCE_MS, signal }: Patience = {}): Promise<T> {
  const lock = createFileLock(path)
  const deadline = performance.now() + patienceMs
  while (!lock.tryAcquire()) {
    if (performance.now() > deadline) throw new BrambleError('CONFLICT', `${path} is held by another process: wait for it to end`)
    await delay(RETRY_MS, undefined, signal ? { signal } : {})
  }
  try {
    return await work()
  } finally {
    lock.release()
  }
}

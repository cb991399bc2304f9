/** One process at a time: a file that is there while the work is done. */
import { open, rm, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { BrambleError, hasCode } from '../lib/errors.ts'

/** The work takes milliseconds. */
const RETRY_MS = 10
/** Longer than a slow card takes for a sync: whoever held it was killed. */
const STALE_MS = 10_000
/** Above that, so that a stale one has been taken over by then. */
const PATIENCE_MS = 30_000

/** The folder of `path` must be there. `CONFLICT` when another process does not let go. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  while (!await take(path)) {
    if (Date.now() > deadline) throw new BrambleError('CONFLICT', `${path} is held by another process: remove it, if there is none`)
    await delay(RETRY_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close()
    return true
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const info = await stat(path).catch(() => undefined)
  if (info && Date.now() - info.mtimeMs > STALE_MS) await rm(path, { force: true })
  return false
}

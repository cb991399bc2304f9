/** The data service may be away for a moment, or its answer may be lost. What is done here may be done twice. */
import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '@bramble/runtime/service/problem'

/** Longer than the data service takes to be started again; the bytes of a large upload are worth the wait. */
const PATIENCE_MS = 20_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

/** Runs it again while the data service cannot be reached. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'data_unavailable') || performance.now() > endMs) throw error
    }
    await pause(pauseMs)
  }
}

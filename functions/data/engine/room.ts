/** After a full disk: writes are refused until there is room again. */
import { DataError } from './errors.ts'
import type { DataLog } from './log.ts'
import { monotonicMs } from './monotonic.ts'

export type Room = {
  /** The disk has refused a write. */
  lost(reason: DataError): void
  /** Why writes are refused, while they are. */
  refusal(): string | undefined
  /** `DISK_FULL` as long as there is none. */
  check(): Promise<void>
}

/** It is asked so often whether there is room. */
const CHECK_MS = 500

export function createRoom(log: DataLog): Room {
  let full: { readonly message: string; askedMs: number } | undefined
  return {
    lost({ message }) { full = { message, askedMs: monotonicMs() } },
    refusal: () => full?.message,
    async check() {
      const { message } = full ?? {}
      if (full === undefined || message === undefined) return
      if (monotonicMs() - full.askedMs >= CHECK_MS) {
        full.askedMs = monotonicMs()
        if (await log.hasRoom()) {
          full = undefined
          return
        }
      }
      throw new DataError('DISK_FULL', message)
    },
  }
}

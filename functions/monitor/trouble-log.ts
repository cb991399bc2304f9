/** Trouble that comes again every second is told once a minute. */
import type { Log } from '@bramble/runtime'

const EVERY_MS = 60_000

export function createTroubleLog(log: Log, message: string): (error: unknown) => void {
  let toldMs = -Infinity
  let more = 0
  return (error) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < EVERY_MS) {
      more++
      return
    }
    log.error(message, { error, ...(more > 0 && { more }) })
    toldMs = nowMs
    more = 0
  }
}

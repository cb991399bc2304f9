/** How many lines of one function are kept: so many a second, and a crowd now and then. Pure but for its clock. */
export type Rate = {
  /** Whether one more is kept. */
  take(): boolean
}

export function createRate(perSecond: number, burst: number, nowMs: () => number): Rate {
  let left = burst
  let lastMs = nowMs()
  return {
    take() {
      const now = nowMs()
      left = Math.min(burst, left + Math.max(0, now - lastMs) / 1000 * perSecond)
      lastMs = now
      if (left < 1) return false
      left--
      return true
    },
  }
}

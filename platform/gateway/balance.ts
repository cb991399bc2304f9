/** Which replica gets this call. Pure: no clock, no network. */

/** What the choice looks at. */
export type Candidate = {
  /** Calls under way on it. */
  readonly inFlight: number
  /** Failed connections since the last good answer. */
  readonly failures: number
  /** Set aside until then, milliseconds of the caller's clock. */
  readonly asideUntilMs: number
  /** Its board does not answer. */
  readonly isSilent: boolean
}

/**
 * Least in flight, then fewest failures, then at random. `undefined` when there is none that is not set aside.
 * A replica that has just failed this call is passed as `except`.
 */
export function choose<T extends Candidate>(
  candidates: readonly T[], nowMs: number, except?: T, random: () => number = Math.random,
): T | undefined {
  let best: T | undefined
  let equals = 1
  for (let index = 0; index < candidates.length; index++) {
    const one = candidates[index]
    if (one === undefined || one === except || one.isSilent || one.asideUntilMs > nowMs) continue
    const order = best === undefined ? -1 : one.inFlight - best.inFlight || one.failures - best.failures
    if (order < 0) {
      best = one
      equals = 1
    } else if (order === 0 && random() * ++equals < 1) {
      best = one
    }
  }
  return best
}

const FIRST_ASIDE_MS = 100
const LONGEST_ASIDE_MS = 5_000

/** How long a replica is set aside after so many failed connections in a row. */
export function asideMs(failures: number): number {
  return Math.min(FIRST_ASIDE_MS * 2 ** Math.max(0, failures - 1), LONGEST_ASIDE_MS)
}

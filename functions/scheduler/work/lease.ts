/**
 * The lease of this replica on all of its runs: a beat in the data service, another one each time. Others take over when it has not
 * changed for a while that each of them measures himself; this replica ends its calls some time before that, measured from before it
 * sent the last beat that was taken. So no clock needs to be right, or to be the same as another.
 */
export type LeaseTimes = {
  readonly renewEveryMs: number
  /** From the sending of a beat. */
  readonly validMs: number
  /** Without a new beat, for others. */
  readonly silenceMs: number
  /** Between looks of others, while somebody has runs. */
  readonly watchEveryMs: number
}

/** Parts of the lease. A replica that is killed is taken over from within the lease: watch (0.2) + silence (0.7) and the claim. */
export function leaseTimes(leaseMs: number): LeaseTimes {
  return { renewEveryMs: leaseMs / 3, validMs: leaseMs * 0.6, silenceMs: leaseMs * 0.7, watchEveryMs: leaseMs * 0.2 }
}

export type Lease = {
  /** For a statement that is about to be sent. */
  nextBeat(): number
  /** A beat that was sent then has been taken. */
  renewed(sentMs: number): void
  isValid(): boolean
  /** Runs may begin on it: when does it end. */
  endsMs(): number
}

/** `nowMs` never goes back. */
export function createLease({ validMs }: Pick<LeaseTimes, 'validMs'>, nowMs: () => number): Lease {
  let beat = 0
  let endsMs = -Infinity
  return {
    nextBeat: () => ++beat,
    renewed(sentMs) { endsMs = Math.max(endsMs, sentMs + validMs) },
    isValid: () => nowMs() < endsMs,
    endsMs: () => endsMs,
  }
}

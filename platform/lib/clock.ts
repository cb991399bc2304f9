/** The time of day and timers, handed in where tests need a day in a second. */
export type Clock = {
  /** Milliseconds of Unix time; may jump either way. */
  nowMs(): number
  /** Calls back once, unless the answer is called before. */
  after(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

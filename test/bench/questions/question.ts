/** A question the bench answers with a table of its own. */
export type BenchContext = {
  /** The bench's own functions, built. */
  readonly functionsDir: string
  /** Fewer repetitions and shorter runs: to see that all works, not to quote. */
  readonly isQuick: boolean
  readonly print: (text: string) => void
}

export type Question = (context: BenchContext) => Promise<void>

/** How often and how long each path is loaded. */
export function effort(context: BenchContext, rounds: number, seconds: number): { rounds: number; seconds: number } {
  return context.isQuick ? { rounds: 1, seconds: Math.min(1, seconds) } : { rounds, seconds }
}

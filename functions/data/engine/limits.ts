/** The engine's limits, and why they are what they are. */

export type EngineLimits = {
  /** Of one database: it lies in memory. */
  readonly databaseBytes: number
  readonly databases: number
  /** Of SQLite's own memory in all threads together, on top of what each begins with: sorting, caches, large transactions. */
  readonly heapBytes: number
  /** Calls that may wait for one database. */
  readonly waiting: number
  /** From when a call begins to run, unless it asks for less. */
  readonly timeoutMs: number
  /** Of one result, unless the call asks for fewer. */
  readonly rows: number
  /** Of the values of one result. */
  readonly resultBytes: number
  /** A new snapshot after so much log, and after as much as the database is large. */
  readonly snapshotEveryBytes: number
  /** What is kept for point-in-time restore: as long as both hold. */
  readonly historyMs: number
  readonly historyBytes: number
}

/** A database that nobody asks is closed, and its memory given back; it opens in a fraction of a second. */
export const IDLE_MS = 600_000
/** One that has taken more than this of the memory for statements gives it back as soon as it has been idle for a moment. */
export const LARGE_HEAP_BYTES = 16 * 2 ** 20
export const LARGE_IDLE_MS = 2_000

const MIB = 2 ** 20
const DAY_MS = 86_400_000

export const defaultLimits: EngineLimits = {
  databaseBytes: 64 * MIB,
  // Each open one is a thread of about 13 MB, and its data.
  databases: 32,
  // One transaction over the whole of a database of 64 MB, or a few large sorts at once.
  heapBytes: 160 * MIB,
  waiting: 1000,
  timeoutMs: 5_000,
  rows: 10_000,
  resultBytes: 8 * MIB,
  snapshotEveryBytes: 16 * MIB,
  historyMs: DAY_MS,
  historyBytes: 1024 * MIB,
}

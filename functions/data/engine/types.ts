/** What the engine takes and gives, in JavaScript's own values. */

/**
 * Exact both ways. A number that is whole and safe is an INTEGER, any other number a REAL; a bigint is an INTEGER (64 bits,
 * signed). Read back, an INTEGER beyond 2^53 is a bigint, any other one a number; a REAL may be infinite. A blob is its bytes.
 */
export type SqlValue = null | number | bigint | string | Uint8Array

/** By position (`?`), or by name with or without its `:`, `@` or `$`. Each one that the statement has must be there. */
/** A whole number is an INTEGER, unless it is said to be REAL. */
export type Parameter = SqlValue | { readonly real: number }
export type Parameters = readonly Parameter[] | Readonly<Record<string, Parameter>>

export type Query = {
  readonly sql: string
  readonly parameters?: Parameters | undefined
  /** At most so many rows; `hasMore` tells when there were more. */
  readonly rowLimit?: number | undefined
  /** From when it begins to run. */
  readonly timeoutMs?: number | undefined
}

/** How many there must be, or the whole list is undone. */
export type Expected = number | { readonly min?: number | undefined; readonly max?: number | undefined }

export type Statement = {
  readonly sql: string
  readonly parameters?: Parameters | undefined
  /** `changes`: rows inserted, updated or deleted by it; `rows`: rows it returns. */
  readonly expect?: { readonly changes?: Expected | undefined; readonly rows?: Expected | undefined } | undefined
}

/** A transaction: all of it or nothing. */
export type Execution = {
  readonly statements: readonly Statement[]
  /** Of each statement. */
  readonly rowLimit?: number | undefined
  /** For all of them together. */
  readonly timeoutMs?: number | undefined
}

export type Result = {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly SqlValue[])[]
  /** There were more rows than the limit. */
  readonly hasMore: boolean
  /** Rows inserted, updated or deleted by it, without those of triggers and foreign keys; 0 for a query. */
  readonly changes: number
  /** The rowid of the last row that it inserted; `null` when it inserted none. */
  readonly lastInsertId: number | bigint | null
}

/** `record` is the number of the last change that the answer has seen; it is durable. */
export type QueryAnswer = { readonly result: Result; readonly record: number }
export type ExecutionAnswer = { readonly results: readonly Result[]; readonly record: number }

export type Migration = {
  /** Names it for good. */
  readonly id: string
  /** One statement or several, ended by `;`. */
  readonly sql: string
}

export type MigrationAnswer = { readonly applied: readonly string[]; readonly skipped: readonly string[]; readonly record: number }

export type DatabaseState =
  /** Nothing of it is in memory: it is opened by the next call. */
  | 'closed'
  | 'open'
  /** Being read from snapshot and log. */
  | 'opening'
  /** Refused until it is restored; `problem` says what and how. */
  | 'damaged'

export type DatabaseInfo = {
  readonly name: string
  readonly state: DatabaseState
  readonly problem: string | undefined
  /** Why writes are refused, while they are. */
  readonly writesRefused: string | undefined
  /** Of the database itself; 0 while it is closed. */
  readonly sizeBytes: number
  readonly sizeLimitBytes: number
  /** The number of the last durable change, and the earliest state that can still be restored, while it is open. */
  readonly record: number
  readonly oldestRestorable: RestorePoint | undefined
  readonly logBytes: number
  readonly snapshotBytes: number
  /** Statements that wait or run. */
  readonly waiting: number
  /** Seconds since everything was copied off-site; `undefined` when there is no copy to keep, or none yet. */
  readonly copyAgeSeconds: number | undefined
}

export type RestorePoint = { readonly record: number; readonly timeMs: number }

/** The state after this record, or at this moment. */
export type RestoreTarget = { readonly record: number } | { readonly timeMs: number }

/** A whole SQLite file, as a client downloads it. */
export type Backup = { readonly record: number; readonly sizeBytes: number; readonly content: AsyncIterable<Uint8Array> }

export type RestoreAnswer = { readonly record: number; readonly sizeBytes: number }

/** Counters since the start, and gauges; for the metrics. */
export type EngineCounts = {
  queries: number
  transactions: number
  /** Statements ended at their deadline. */
  timeouts: number
  /** Databases rebuilt from snapshot and log after a deadline, a crash or a failed write. */
  rebuilds: number
  /** Syncs of the log, and the changes that they made durable. */
  syncs: number
  records: number
  writtenBytes: number
  snapshots: number
  /** Written to the off-site copy, and rounds of it that failed. */
  copiedBytes: number
  failedCopies: number
}

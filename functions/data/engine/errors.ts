/** The only error class of the engine. `message` names the thing and the remedy; the HTTP side turns `code` into a status. */

/** What a caller can tell apart; stable. In brackets the HTTP status that fits. */
export type DataErrorCode =
  /** A malformed request: a bad name, parameters that do not fit the statement. [400] */
  | 'INVALID'
  /** A kind of statement that is not accepted: ATTACH, PRAGMA, transaction control, several statements at once. [400] */
  | 'NOT_ACCEPTED'
  /** SQLite does not understand it: syntax, no such table, a type that does not fit. [422] */
  | 'SQL'
  /** A constraint was violated: nothing was changed. [409] */
  | 'CONSTRAINT'
  /** An `expect` did not hold: nothing was changed. [409] */
  | 'EXPECTATION'
  /** A query that would write. [403] */
  | 'READ_ONLY'
  /** No such database, or no such point in time. [404] */
  | 'NOT_FOUND'
  /** A database of that name is there already, or a migration was changed after it had run. [409] */
  | 'CONFLICT'
  /** A result or a change is larger than its limit. [413] */
  | 'TOO_LARGE'
  /** The database is at its size limit. [507] */
  | 'DATABASE_FULL'
  /** The disk is full: nothing was changed, reads go on. [507] */
  | 'DISK_FULL'
  /** Too many statements wait for this database. [429] */
  | 'BUSY'
  /** The statement ran into its deadline and was ended: nothing was changed. [504] */
  | 'TIMEOUT'
  /** There is no durable storage: writes are refused. [503] */
  | 'NOT_DURABLE'
  /** What is on the disk is damaged: the database is not served until it is restored. [503] */
  | 'DAMAGED'
  /** Stopping, or the disk gave an error: try again. Whether a write of this call took place is not known. [503] */
  | 'UNAVAILABLE'
  /** A fault of the engine. [500] */
  | 'INTERNAL'

export class DataError extends Error {
  readonly code: DataErrorCode
  /** Which statement of a list, from 0. */
  readonly statement: number | undefined

  constructor(code: DataErrorCode, message: string, options?: { readonly cause?: unknown; readonly statement?: number | undefined }) {
    super(message, options)
    this.name = 'DataError'
    this.code = code
    this.statement = options?.statement
  }
}

/** A one-line reason out of any thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

/** Whether a thrown value is a Node system error with this `code`, `ENOENT` for example. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

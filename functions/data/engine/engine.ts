/**
 * Databases that survive: each one runs SQLite (sql.js) in a thread of its own, and what a commit changed in its file is
 * durable in a log before the caller is told.
 */
import type {
  Backup, DatabaseInfo, EngineCounts, Execution, ExecutionAnswer, Migration, MigrationAnswer, Query, QueryAnswer, RestoreAnswer, RestoreTarget,
} from './types.ts'

export type EngineLog = {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

export type EngineSettings = {
  /** On the function's volume; empty: there is none, and writes are refused. */
  readonly folder: string
  /** Believe that the folder is durable though its file system (overlay, tmpfs) says that it is not. */
  readonly trustsFolder?: boolean | undefined
  readonly limits?: Partial<EngineLimits> | undefined
}

export type EngineLimits = {
  readonly databaseBytes: number
  readonly databases: number
  /** Statements that may wait for one database. */
  readonly waiting: number
  /** Of one call, unless it asks for less. */
  readonly timeoutMs: number
  readonly rows: number
  /** Of one answer. */
  readonly resultBytes: number
  /** A new snapshot after so much log. */
  readonly snapshotEveryBytes: number
  /** Log and snapshots kept for point-in-time restore: as long as both hold. */
  readonly historyMs: number
  readonly historyBytes: number
}

/**
 * All reject with `DataError`. Names of databases: `[a-z_][a-z0-9_-]{0,62}`; those that begin with `_` are for the service
 * itself. A call opens its database when it is closed.
 */
export type Engine = {
  /** Finds what is in the folder; opens nothing. */
  start(): Promise<void>
  /** Lets what runs finish, makes it durable and closes all. */
  stop(): Promise<void>
  list(): readonly DatabaseInfo[]
  get(name: string): DatabaseInfo | undefined
  /** One that is there is fine; `isNew` tells. Durable when it answers. */
  create(name: string): Promise<{ readonly isNew: boolean }>
  /** With its log, its snapshots and all. `NOT_FOUND` when there is none. */
  remove(name: string): Promise<void>
  /** One statement that cannot change anything. What it has seen is durable. */
  query(name: string, query: Query): Promise<QueryAnswer>
  /** All statements or none; durable when it answers. */
  execute(name: string, execution: Execution): Promise<ExecutionAnswer>
  /** Runs those that have not run, each in a transaction of its own; `CONFLICT` when one that has run is not the same any more. */
  migrate(name: string, migrations: readonly Migration[]): Promise<MigrationAnswer>
  /** The content as it is between two transactions. It holds a place in memory until it is read or its iterator is closed. */
  backup(name: string): Promise<Backup>
  /** Puts this SQLite file in the place of the content, as one change: it can be undone by `restoreTo`. */
  restore(name: string, content: AsyncIterable<Uint8Array>): Promise<RestoreAnswer>
  /** Puts an earlier state in the place of the content, as one change; a damaged database is served again. */
  restoreTo(name: string, target: RestoreTarget): Promise<RestoreAnswer>
  counts(): Readonly<EngineCounts>
}

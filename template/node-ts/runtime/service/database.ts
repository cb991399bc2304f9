/** The port to where state lies: one SQL database, behind the data service. */
export type SqlValue = null | number | string
export type Row = Readonly<Record<string, SqlValue>>

export type Statement = {
  readonly sql: string
  /** By name, without the colon. */
  readonly parameters?: Readonly<Record<string, SqlValue>>
  /** Rows that it must change; another number undoes the whole transaction. */
  readonly changes?: number
  /** What the service counts it as in its own metrics; it is not sent. */
  readonly event?: string
}

export type Result = { readonly rows: readonly Row[]; readonly changes: number }

export type Database = {
  /** Creates the database where it is missing and brings its schema up to date; the other two do so first. May be called again. */
  prepare(): Promise<void>
  query(sql: string, parameters?: Statement['parameters']): Promise<readonly Row[]>
  /**
   * All of it, durable, or nothing; `undefined` when a statement did not change as many rows as it must. Throws a `Problem`
   * when the data service cannot be reached or refuses; then it may have happened or not.
   */
  execute(statements: readonly Statement[]): Promise<readonly Result[] | undefined>
}

/** A step of the schema. One that was ever released is never changed: the next one changes the tables. */
export type Migration = { readonly id: string; readonly sql: string }

/** One database under SQLite: queries that change nothing, and transactions. */
import { DataError } from './errors.ts'
import type { Sqlite } from './sqlite.ts'
import type { StatementWords } from './statement-kind.ts'
import { createStatements, type Prepared, type Statements } from './statements.ts'
import type { Expected, Migration, Parameters, Result, SqlValue, Statement } from './types.ts'

export type ResultLimits = { readonly rows: number; readonly bytes: number }

export type Connection = {
  query(sql: string, parameters: Parameters | undefined, limits: ResultLimits): Result
  execute(statements: readonly Statement[], limits: ResultLimits): Result[]
  /** Whether it was not there yet. */
  migrate(migration: Migration, hash: string): boolean
  /** After a refused write: `connection` is no good any more, `file` is neither. */
  spoiled(): 'connection' | 'file' | undefined
  /** What is wrong with the file, in SQLite's words; nothing: it is whole. */
  check(): string[]
  close(): void
}

export type ConnectionDeps = {
  readonly sqlite: Sqlite
  readonly databaseBytes: number
  /** For messages. */
  readonly name: string
}

/** Pages that SQLite keeps at hand, in KiB: a page that is not there is copied from the file in a microsecond. */
const CACHE_KIB = 4096
const NO_MEMORY = 7, READONLY = 8, CORRUPT = 11, FULL = 13, CANNOT_OPEN = 14, TOO_BIG = 18, CONSTRAINT = 19, NOT_A_DATABASE = 26
const MIGRATIONS = '_bramble_migrations'

export function createConnection({ sqlite, databaseBytes, name }: ConnectionDeps): Connection {
  const { calls } = sqlite
  let db = 0
  /** By the transaction under way: what is kept of statements may not fit any more. */
  let isSchemaTouched = false
  let spoiled: 'connection' | 'file' | undefined

  const fail = (code: number): DataError => {
    const refused = sqlite.refusedWrite()
    if (refused === 'read only') {
      spoiled ??= 'connection'
      return new DataError('READ_ONLY', 'a query must not change anything: use execute')
    }
    if (refused === 'too large') {
      spoiled = 'file'
      return new DataError('TOO_LARGE', `a transaction on database ${name} would change too much at once: split it`)
    }
    const start = calls.sqlite3_errmsg(db)
    const message = sqlite.memory().toString('utf8', start, sqlite.memory().indexOf(0, start))
    switch (code & 0xff) {
      case CONSTRAINT: return new DataError('CONSTRAINT', message)
      case FULL: return new DataError('DATABASE_FULL', `database ${name} is at its limit of ${databaseBytes} bytes: delete something, or raise the limit`)
      case NO_MEMORY: return new DataError('TOO_LARGE', 'the statement needs more memory than there is for one: make it smaller')
      case TOO_BIG: return new DataError('TOO_LARGE', message)
      case READONLY: return new DataError('READ_ONLY', message)
      case CANNOT_OPEN: return new DataError('NOT_ACCEPTED', `the statement reaches for another file (${message})`)
      case CORRUPT: case NOT_A_DATABASE: return new DataError('DAMAGED', `database ${name} is damaged (${message}): restore it to an earlier state`)
      default: return new DataError('SQL', message)
    }
  }

  const open = (): Statements => {
    const address = calls.malloc(64)
    const memory = sqlite.memory()
    memory[address + 8 + memory.write(sqlite.path, address + 8)] = 0
    const code = calls.sqlite3_open(address + 8, address)
    db = sqlite.memoryView().getUint32(address, true)
    calls.free(address)
    try {
      if (code !== 0) throw fail(code)
      return createStatements(sqlite, db, fail, refuse)
    } catch (error) {
      // Left open, it would keep the next one from opening the file.
      calls.sqlite3_close_v2(db)
      throw error
    }
  }
  const statements = open()
  const close = (): void => {
    statements.forget()
    own.forget()
    calls.sqlite3_close_v2(db)
  }
  // Kept apart from the others, which are forgotten with each change of the schema.
  const own = createStatements(sqlite, db, fail, () => undefined)

  const run = (prepared: Prepared, parameters?: Parameters): SqlValue[][] => {
    prepared.bind(parameters)
    const rows: SqlValue[][] = []
    try {
      while (prepared.step()) rows.push(prepared.row(() => undefined))
    } finally {
      prepared.reset()
    }
    return rows
  }
  const runOnce = (sql: string): SqlValue[][] => {
    const first = own.prepareFirst(sql)
    try {
      return first === undefined ? [] : run(first.prepared)
    } finally {
      first?.free()
    }
  }

  // In one process, of one thread, on a file of ours: no locks and no journal file. Durable is what the log says.
  const settings = [
    'locking_mode = EXCLUSIVE', 'journal_mode = MEMORY', 'synchronous = OFF', 'temp_store = MEMORY', `cache_size = -${CACHE_KIB}`,
    'foreign_keys = ON', 'trusted_schema = OFF',
  ]
  try {
    for (const setting of settings) runOnce(`PRAGMA ${setting}`)
    const pageBytes = Number(runOnce('PRAGMA page_size')[0]?.[0] ?? 0)
    runOnce(`PRAGMA max_page_count = ${Math.floor(databaseBytes / pageBytes)}`)
    // The first look at the content: it may be none.
    runOnce('SELECT 1 FROM sqlite_schema')
  } catch (error) {
    close()
    throw error
  }
  const begin = own.prepare('BEGIN')
  const commit = own.prepare('COMMIT')
  const rollback = own.prepare('ROLLBACK')
  const lastRow = own.prepare('SELECT last_insert_rowid()')
  const temporary = own.prepare('SELECT name FROM temp.sqlite_schema LIMIT 1')

  const collect = (prepared: Prepared, parameters: Parameters | undefined, limits: ResultLimits, isToTheEnd: boolean): { result: Result; count: number } => {
    prepared.bind(parameters)
    const rows: SqlValue[][] = []
    let count = 0
    let bytes = 0
    const onBytes = (more: number): void => {
      bytes += more
      if (bytes > limits.bytes) throw new DataError('TOO_LARGE', `a result has at most ${limits.bytes} bytes: ask for fewer rows or columns`)
    }
    try {
      while (prepared.step()) {
        if (rows.length < limits.rows) rows.push(prepared.row(onBytes))
        count++
        if (!isToTheEnd && count > limits.rows) break
      }
    } finally {
      prepared.reset()
    }
    const { kind } = prepared.words
    const isChange = kind === 'insert' || kind === 'update' || kind === 'delete'
    const changes = isChange ? calls.sqlite3_changes(db) : 0
    const lastInsertId = kind === 'insert' && changes > 0 ? rowidOf(run(lastRow)[0]?.[0]) : null
    return { result: { columns: prepared.columns, rows, hasMore: count > rows.length, changes, lastInsertId }, count }
  }

  const undo = (): void => {
    try {
      run(rollback)
    } catch {
      // Some errors have undone it already (INSERT OR ROLLBACK, a full database).
    }
    if (isSchemaTouched) statements.forget()
  }

  const executeOne = (statement: Statement, limits: ResultLimits): Result => {
    const prepared = statements.prepare(statement.sql)
    const { result, count } = collect(prepared, statement.parameters, limits, true)
    expect('changes', statement.expect?.changes, result.changes)
    expect('rows', statement.expect?.rows, count)
    if (prepared.words.kind === 'schema') afterSchema()
    return result
  }
  const afterSchema = (): void => {
    isSchemaTouched = true
    if (run(temporary).length > 0) throw new DataError('NOT_ACCEPTED', 'temporary tables do not outlive a call: use a table, or WITH')
    statements.forget()
  }
  /** All of it or nothing. */
  const transaction = <T>(body: () => T): T => {
    isSchemaTouched = false
    sqlite.setReadOnly(false)
    run(begin)
    try {
      const answer = body()
      run(commit)
      return answer
    } catch (error) {
      undo()
      throw error
    } finally {
      sqlite.setReadOnly(true)
    }
  }
  sqlite.setReadOnly(true)

  return {
    query(sql, parameters, limits) {
      const prepared = statements.prepare(sql)
      const { kind, word } = prepared.words
      if (kind !== 'select' && kind !== 'explain') throw new DataError('READ_ONLY', `${word} is not a query: use execute`)
      return collect(prepared, parameters, limits, false).result
    },
    execute: (list, limits) => transaction(() => list.map((statement, index) => {
      try {
        return executeOne(statement, limits)
      } catch (error) {
        throw error instanceof DataError ? new DataError(error.code, error.message, { cause: error.cause, statement: index }) : error
      }
    })),
    migrate: ({ id, sql }, hash) => transaction(() => {
      isSchemaTouched = true
      runOnce(`CREATE TABLE IF NOT EXISTS ${MIGRATIONS} (id TEXT PRIMARY KEY, hash TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT`)
      const [found] = run(statements.prepare(`SELECT hash FROM ${MIGRATIONS} WHERE id = ?`), [id])
      if (found !== undefined && found[0] !== hash) {
        throw new DataError('CONFLICT', `migration ${JSON.stringify(id)} has run with another text: put it back, and write what is new as a migration of its own`)
      }
      if (found !== undefined) return false
      let index = 0
      for (let rest = sql; ; index++) {
        try {
          const first = statements.prepareFirst(rest)
          if (first === undefined) break
          try {
            run(first.prepared)
          } finally {
            first.free()
          }
          rest = first.rest
        } catch (error) {
          if (!(error instanceof DataError)) throw error
          throw new DataError(error.code, `migration ${JSON.stringify(id)}, statement ${index + 1}: ${error.message}`, { cause: error, statement: index })
        }
      }
      afterSchema()
      run(statements.prepare(`INSERT INTO ${MIGRATIONS} (id, hash) VALUES (?, ?)`), [id, hash])
      return true
    }),
    spoiled: () => spoiled,
    check: () => runOnce('PRAGMA quick_check(5)').map(([line]) => String(line)).filter((line) => line !== 'ok'),
    close,
  }
}

function refuse({ kind, word }: StatementWords): void {
  if (kind === 'refused') throw refusal(word)
}

/** What SQLite would carry out; anything else it would not understand either. */
const COMMANDS = /^(?:PRAGMA|BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH|VACUUM)$/

function refusal(word: string): DataError {
  if (!COMMANDS.test(word)) return new DataError('SQL', `near ${JSON.stringify(word)}: no statement begins like this`)
  const remedy = word === 'PRAGMA' ? `: read with SELECT * FROM pragma_table_info('t') and its kin`
    : /^(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)$/.test(word) ? ': a list of statements is a transaction'
    : ''
  return new DataError('NOT_ACCEPTED', `${word} is not accepted${remedy}`)
}

function rowidOf(value: SqlValue | undefined): number | bigint | null {
  return typeof value === 'number' || typeof value === 'bigint' ? value : null
}

function expect(what: 'changes' | 'rows', expected: Expected | undefined, found: number): void {
  if (expected === undefined) return
  const { min = 0, max = Infinity } = typeof expected === 'number' ? { min: expected, max: expected } : expected
  if (found >= min && found <= max) return
  throw new DataError('EXPECTATION', `${found} ${what}, but ${min === max ? min : `${min} to ${max}`} were expected: nothing was changed`)
}

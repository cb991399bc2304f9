/** Prepared statements: values in, rows out, and a few of the last ones kept. */
import { DataError } from './errors.ts'
import { findIntegers } from './integers.ts'
import type { Sqlite } from './sqlite.ts'
import { isNothing, statementKind, type StatementWords } from './statement-kind.ts'
import type { Parameter, Parameters, SqlValue } from './types.ts'

export type Prepared = {
  readonly words: StatementWords
  readonly columns: readonly string[]
  /** Resets it, and gives it these values and no others. */
  bind(parameters: Parameters | undefined): void
  /** Whether there is a row. */
  step(): boolean
  /** Of the current row; `onBytes` is told how large each value is, before it is read. */
  row(onBytes: (bytes: number) => void): SqlValue[]
  reset(): void
}

export type Statements = {
  /** Exactly one statement. */
  prepare(sql: string): Prepared
  /** The first of several, not kept, and what follows it; `undefined`: there is none. */
  prepareFirst(sql: string): { readonly prepared: Prepared; readonly rest: string; free(): void } | undefined
  /** After the schema has changed. */
  forget(): void
}

/** Kept statements of one database; each takes a few kilobytes. */
const MAX_KEPT = 200
/** Of their text: long ones are rarely the same again. */
const MAX_KEPT_CHARACTERS = 1_000_000
const MAX_SQL_BYTES = 1_000_000
const INTEGER = 1, FLOAT = 2, TEXT = 3, BLOB = 4
const ROW = 100, DONE = 101, RANGE = 25
/** SQLite copies the bytes. */
const TRANSIENT = -1
const NUMBER_BYTES = 8
const MIN_INTEGER = -(2n ** 63n), MAX_INTEGER = 2n ** 63n - 1n

/** `judge` throws for what must not be prepared: a PRAGMA takes effect while SQLite prepares it, before any step. */
export function createStatements(
  sqlite: Sqlite, db: number, fail: (code: number) => DataError, judge: (words: StatementWords) => void,
): Statements {
  const { calls, memory, memoryView } = sqlite
  const kept = new Map<string, { readonly prepared: Prepared; readonly free: () => void }>()
  let keptCharacters = 0
  let scratch = 0
  let scratchBytes = 0

  const reserve = (bytes: number): number => {
    if (bytes > scratchBytes) {
      calls.free(scratch)
      scratchBytes = Math.max(bytes, 1024)
      scratch = calls.malloc(scratchBytes)
      if (scratch === 0) {
        scratchBytes = 0
        throw new DataError('TOO_LARGE', 'there is no memory for a value of this size: make it smaller')
      }
    }
    return scratch
  }
  const putText = (text: string): number => {
    // Longest: three bytes for each UTF-16 unit.
    const bytes = text.length < 1024 ? text.length * 3 : Buffer.byteLength(text)
    return memory().write(text, reserve(bytes + 1), 'utf8')
  }
  const checked = (code: number): void => { if (code !== 0) throw fail(code) }

  const compile = (sql: string): { handle: number; rest: string } => {
    if (sql.includes('\0')) throw new DataError('INVALID', 'a statement must not hold the character NUL')
    const length = Buffer.byteLength(sql)
    if (length > MAX_SQL_BYTES) throw new DataError('TOO_LARGE', `a statement has at most ${MAX_SQL_BYTES} bytes, this one has ${length}`)
    const address = reserve(length + 16)
    const out = Math.ceil((address + length + 1) / 4) * 4
    memory().write(sql, address, 'utf8')
    memory()[address + length] = 0
    checked(calls.sqlite3_prepare_v2(db, address, length + 1, out, out + 4))
    const view = memoryView()
    const tail = view.getUint32(out + 4, true)
    return { handle: view.getUint32(out, true), rest: tail >= address + length ? '' : memory().toString('utf8', tail, address + length) }
  }

  const bindInteger = findIntegers(sqlite, (sql) => compile(sql).handle)

  const bindValue = (handle: number, index: number, value: Parameter): number => {
    switch (typeof value) {
      case 'number':
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) return calls.sqlite3_bind_double(handle, index, value)
        return value === (value | 0) ? calls.sqlite3_bind_int(handle, index, value) : bindInteger(handle, index, BigInt(value))
      case 'bigint':
        if (value < MIN_INTEGER || value > MAX_INTEGER) throw new DataError('INVALID', `parameter ${index} does not fit into 64 bits: pass it as a text`)
        return bindInteger(handle, index, value)
      case 'string': {
        const bytes = putText(value)
        return calls.sqlite3_bind_text(handle, index, scratch, bytes, TRANSIENT)
      }
      default:
        // Cleared before: NULL.
        if (value === null) return 0
        if ('real' in value) return calls.sqlite3_bind_double(handle, index, value.real)
        memory().set(value, reserve(value.length))
        return calls.sqlite3_bind_blob(handle, index, scratch, value.length, TRANSIENT)
    }
  }
  const indexOf = (handle: number, name: string): number => {
    memory()[scratch + putText(name)] = 0
    return calls.sqlite3_bind_parameter_index(handle, scratch)
  }
  /** SQLite cannot be asked how many there are: one too far is out of range. */
  const countParameters = (handle: number): number => {
    let count = 0
    while (calls.sqlite3_bind_int(handle, count + 1, 0) !== RANGE) count++
    calls.sqlite3_clear_bindings(handle)
    return count
  }
  const bindNamed = (handle: number, count: number, parameters: Readonly<Record<string, Parameter>>): void => {
    const bound = new Set<number>()
    for (const [name, value] of Object.entries(parameters)) {
      const index = [name, `:${name}`, `@${name}`, `$${name}`].map((one) => indexOf(handle, one)).find((found) => found > 0)
      if (index === undefined) throw new DataError('INVALID', `the statement has no parameter ${JSON.stringify(name)}`)
      checked(bindValue(handle, index, value))
      bound.add(index)
    }
    if (bound.size < count) throw new DataError('INVALID', `the statement has ${count} parameters, ${bound.size} were given`)
  }

  const wrap = (handle: number, words: StatementWords): Prepared => {
    const count = countParameters(handle)
    const width = calls.sqlite3_column_count(handle)
    const columns = Array.from({ length: width }, (_, column) => {
      const start = calls.sqlite3_column_name(handle, column)
      return memory().toString('utf8', start, memory().indexOf(0, start))
    })
    const value = (column: number, onBytes: (bytes: number) => void): SqlValue => {
      const type = calls.sqlite3_column_type(handle, column)
      if (type === INTEGER || type === FLOAT) {
        onBytes(NUMBER_BYTES)
        const number = calls.sqlite3_column_double(handle, column)
        if (type === FLOAT || Math.abs(number) <= Number.MAX_SAFE_INTEGER) return number
        const start = calls.sqlite3_column_text(handle, column)
        return BigInt(memory().toString('latin1', start, start + calls.sqlite3_column_bytes(handle, column)))
      }
      if (type !== TEXT && type !== BLOB) {
        onBytes(NUMBER_BYTES)
        return null
      }
      const start = type === TEXT ? calls.sqlite3_column_text(handle, column) : calls.sqlite3_column_blob(handle, column)
      const length = calls.sqlite3_column_bytes(handle, column)
      onBytes(length)
      if (type === TEXT) return memory().toString('utf8', start, start + length)
      return new Uint8Array(memory().subarray(start, start + length))
    }
    return {
      words,
      columns,
      bind(parameters) {
        calls.sqlite3_reset(handle)
        if (count > 0) calls.sqlite3_clear_bindings(handle)
        if (parameters === undefined || Array.isArray(parameters)) {
          const given = parameters ?? []
          if (given.length !== count) throw new DataError('INVALID', `the statement has ${count} parameters, ${given.length} were given`)
          for (let index = 0; index < count; index++) checked(bindValue(handle, index + 1, given[index]))
        } else {
          bindNamed(handle, count, parameters as Readonly<Record<string, Parameter>>)
        }
      },
      step() {
        const code = calls.sqlite3_step(handle)
        if (code === ROW) return true
        if (code === DONE) return false
        throw fail(code)
      },
      row: (onBytes) => columns.map((_, column) => value(column, onBytes)),
      reset: () => { calls.sqlite3_reset(handle) },
    }
  }

  return {
    prepare(sql) {
      const found = kept.get(sql)
      if (found !== undefined) {
        // The last used stay.
        kept.delete(sql)
        kept.set(sql, found)
        return found.prepared
      }
      const words = statementKind(sql)
      if (words.kind === 'empty') throw new DataError('INVALID', 'the statement is empty')
      judge(words)
      const { handle, rest } = compile(sql)
      const free = (): void => { calls.sqlite3_finalize(handle) }
      if (handle === 0) throw new DataError('INVALID', 'the statement is empty')
      if (!isNothing(rest)) {
        free()
        throw new DataError('NOT_ACCEPTED', 'one statement at a time: send several as a list')
      }
      const prepared = wrap(handle, words)
      kept.set(sql, { prepared, free })
      keptCharacters += sql.length
      // The newest stays whatever it is: it is about to run.
      for (const [key, { free: freeOldest }] of kept) {
        if (key === sql || (kept.size <= MAX_KEPT && keptCharacters <= MAX_KEPT_CHARACTERS)) break
        kept.delete(key)
        keptCharacters -= key.length
        freeOldest()
      }
      return prepared
    },
    prepareFirst(sql) {
      const words = statementKind(sql)
      if (words.kind === 'empty') return undefined
      judge(words)
      const { handle, rest } = compile(sql)
      return handle === 0 ? undefined : { prepared: wrap(handle, words), rest, free: () => { calls.sqlite3_finalize(handle) } }
    },
    forget() {
      for (const { free } of kept.values()) free()
      kept.clear()
      keptCharacters = 0
    },
  }
}

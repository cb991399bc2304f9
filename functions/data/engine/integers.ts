/**
 * 64-bit integers as parameters: sql.js does not export `sqlite3_bind_int64`. A bound value is a number in SQLite's memory; this
 * finds out where, by binding small ones in statements of several sizes, and puts the eight bytes there. What it found is tried before it is used.
 */
import { DataError } from './errors.ts'
import type { Sqlite } from './sqlite.ts'

export type BindInteger = (statement: number, index: number, value: bigint) => number

/** Parameters of the statements that are looked at: small ones lie elsewhere than large ones. */
const PROBES: readonly number[] = [2, 11, 40]
/** Not to be found by chance. */
const FIRST = 0x5ace_1234
const SECOND = 0x2bad_4321
/** How far into a statement, and into the list of its values, it looks. */
const STATEMENT_BYTES = 512
const MAX_STRIDE_BYTES = 128
const STRIDE_STEP_BYTES = 8
/** No double comes near to these. */
const TRIAL = 2n ** 62n + 1n

export function findIntegers({ calls, memory, memoryView }: Sqlite, compile: (sql: string) => number): BindInteger {
  const statements = PROBES.map((count) => compile(`SELECT ${Array.from({ length: count }, () => '?').join()}`))
  try {
    const [first = new Set<string>(), ...others] = statements.map(findPlaces)
    const [place, ...more] = others.reduce((both, one) => both.intersection(one), first)
    const [offset = NaN, stride = NaN] = place?.split(' ').map(Number) ?? []
    const bind: BindInteger = (statement, index, value) => {
      const code = calls.sqlite3_bind_int(statement, index, 0)
      if (code !== 0) return code
      const view = memoryView()
      view.setBigInt64(view.getUint32(statement + offset, true) + (index - 1) * stride, value, true)
      return 0
    }
    if (more.length === 0 && place !== undefined && statements.every((statement, index) => isRight(statement, PROBES[index] ?? 0, bind))) return bind
    throw new DataError('INTERNAL', 'this build of sql.js keeps bound integers elsewhere than expected')
  } finally {
    for (const statement of statements) calls.sqlite3_finalize(statement)
  }

  function findPlaces(statement: number): Set<string> {
    calls.sqlite3_bind_int(statement, 1, FIRST)
    calls.sqlite3_bind_int(statement, 2, SECOND)
    const view = memoryView()
    const holds = (address: number, value: number): boolean =>
      address > 0 && address % 8 === 0 && address + 8 <= view.byteLength && view.getBigInt64(address, true) === BigInt(value)
    const places = new Set<string>()
    for (let offset = 0; offset < STATEMENT_BYTES; offset += 4) {
      const values = view.getUint32(statement + offset, true)
      if (!holds(values, FIRST)) continue
      for (let stride = STRIDE_STEP_BYTES; stride <= MAX_STRIDE_BYTES; stride += STRIDE_STEP_BYTES) {
        if (holds(values + stride, SECOND)) places.add(`${offset} ${stride}`)
      }
    }
    return places
  }
  function isRight(statement: number, count: number, bind: BindInteger): boolean {
    for (let index = 1; index <= count; index++) bind(statement, index, TRIAL + BigInt(index))
    calls.sqlite3_step(statement)
    return Array.from({ length: count }, (_, column) => {
      const start = calls.sqlite3_column_text(statement, column)
      return memory().toString('latin1', start, start + calls.sqlite3_column_bytes(statement, column)) === String(TRIAL + BigInt(column + 1))
    }).every(Boolean)
  }
}

/** SQLite itself (`node:sqlite`) under the rules of the data service: what a call must answer, as JSON, and what must be there afterwards. */
import { DatabaseSync } from 'node:sqlite'
import type { Parameter, SqlValue } from '../../../functions/data/engine/types.ts'
import type { DifferentialStatement } from './differential-statements.ts'

export type ReferenceAnswer =
  | { readonly results: readonly object[] }
  | { readonly code: string; readonly detail: string; readonly statement: number }

export type ReferenceSqlite = Disposable & {
  query(statement: DifferentialStatement): ReferenceAnswer
  execute(statements: readonly DifferentialStatement[]): ReferenceAnswer
}

const CONSTRAINT = 19

class Unexpected extends Error {}

export function createReferenceSqlite(): ReferenceSqlite {
  const sqlite = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: true, defensive: false })
  sqlite.exec('PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF')

  const run = ({ sql, parameters = [], expect }: DifferentialStatement): object => {
    const prepared = sqlite.prepare(sql)
    prepared.setReadBigInts(true)
    prepared.setReturnArrays(true)
    const columns = prepared.columns().map(({ name }) => name)
    const rows = prepared.all(...parameters.map(bound))
    const verb = /^\s*(\w+)/.exec(sql)?.[1]
    const isInsert = verb === 'INSERT' || verb === 'REPLACE'
    const told = sqlite.prepare('SELECT changes() AS changes, last_insert_rowid() AS id')
    told.setReadBigInts(true)
    const { changes = 0, id = null } = told.get() ?? {}
    const changed = isInsert || verb === 'UPDATE' || verb === 'DELETE' ? Number(changes) : 0
    if (expect !== undefined && expect.changes !== changed) throw new Unexpected()
    return { columns, rows: rows.map((row) => Object.values(row).map(jsonOf)), has_more: false, changes: changed, last_insert_id: isInsert && changed > 0 ? jsonOf(id) : null }
  }
  const all = (statements: readonly DifferentialStatement[]): ReferenceAnswer => {
    const results: object[] = []
    for (const [index, statement] of statements.entries()) {
      try {
        results.push(run(statement))
      } catch (error) {
        return failureOf(error, index)
      }
    }
    return { results }
  }
  return {
    query: (statement) => all([statement]),
    execute(statements) {
      sqlite.exec('BEGIN')
      const answer = all(statements)
      try {
        if ('results' in answer) sqlite.exec('COMMIT')
        return answer
      } catch (error) {
        // A deferred constraint is checked by COMMIT.
        return failureOf(error, -1)
      } finally {
        if (sqlite.isTransaction) sqlite.exec('ROLLBACK')
      }
    },
    [Symbol.dispose]: () => sqlite.close(),
  }
}

function failureOf(error: unknown, statement: number): ReferenceAnswer {
  if (error instanceof Unexpected) return { code: 'expectation', detail: '', statement }
  if (!(error instanceof Error) || !('errcode' in error)) throw error
  return { code: (Number(error.errcode) & 0xff) === CONSTRAINT ? 'constraint' : 'sql', detail: error.message, statement }
}

/** `node:sqlite` takes every number for a REAL. */
function bound(value: Parameter): SqlValue {
  if (typeof value === 'object' && value !== null && 'real' in value) return value.real
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** Written anew, not with the service's own code. */
export function jsonOf(value: Parameter): unknown {
  if (typeof value === 'bigint') return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : { integer: value.toString() }
  if (typeof value === 'number') return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : { real: String(value) }
  if (typeof value === 'object' && value !== null && 'real' in value) return { real: String(value.real) }
  return value instanceof Uint8Array ? { blob: Buffer.from(value).toString('base64') } : value
}

/** The port to the data service over SQLite in this process, for tests that need to stand between two of its calls. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { migrations } from '../../../functions/files/catalog/schema.ts'
import type { Database, Migration, Row, SqlValue, Statement } from '../../../template/node-ts/runtime/service/database.ts'

export function createSqliteDatabase(steps: readonly Migration[] = migrations): Database {
  const sqlite = new DatabaseSync(':memory:')
  for (const { sql } of steps) sqlite.exec(sql)
  const run = ({ sql, parameters = {} }: Statement): Row[] => {
    const statement = sqlite.prepare(sql)
    statement.setAllowBareNamedParameters(true)
    const values: Record<string, SQLInputValue> = { ...parameters }
    return statement.all(values).map((row) => Object.fromEntries(Object.entries(row).map(([name, value]): [string, SqlValue] => [name, typeof value === 'number' ? value : value === null ? null : String(value)])))
  }
  const changesOf = (): number => Number(sqlite.prepare('SELECT changes() AS n').get()?.['n'])
  return {
    prepare: async () => undefined,
    query: async (sql, parameters) => run({ sql, ...(parameters !== undefined && { parameters }) }),
    async execute(statements) {
      sqlite.exec('BEGIN')
      const results = []
      for (const statement of statements) {
        const rows = run(statement)
        const changes = /^\s*select/i.test(statement.sql) ? 0 : changesOf()
        if (statement.changes !== undefined && changes !== statement.changes) {
          sqlite.exec('ROLLBACK')
          return undefined
        }
        results.push({ rows, changes })
      }
      sqlite.exec('COMMIT')
      return results
    },
  }
}

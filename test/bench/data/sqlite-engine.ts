/**
 * SQLite itself (`node:sqlite`, WAL, synchronous=FULL) as an engine of the data service: what the service costs besides is the same for both.
 * `each`: every transaction is a commit of its own. `group`: those that come in one turn of the event loop share a commit.
 */
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Engine } from '../../../functions/data/engine/engine.ts'
import type { Execution, Query, Result, SqlValue } from '../../../functions/data/engine/types.ts'

export type CommitMode = 'each' | 'group'
type Waiting = { readonly execution: Execution; readonly resolve: (results: Result[]) => void; readonly reject: (error: unknown) => void }

const NAME = 'bench'

export function createSqliteEngine({ folder, mode }: { readonly folder: string; readonly mode: CommitMode }): Engine {
  const sqlite = new DatabaseSync(join(folder, 'bench.sqlite3'))
  sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  const kept = new Map<string, StatementSync>()
  let waiting: Waiting[] = []
  let record = 0

  const prepared = (sql: string): StatementSync => {
    const found = kept.get(sql)
    if (found !== undefined) return found
    const made = sqlite.prepare(sql)
    made.setReturnArrays(true)
    kept.set(sql, made)
    return made
  }
  const run = (sql: string, parameters: Query['parameters'] = []): Result => {
    if (!isList(parameters)) throw new Error('the bench passes parameters by position')
    const statement = prepared(sql)
    const columns = statement.columns().map(({ name }) => name)
    if (columns.length > 0) return { columns, rows: statement.all(...parameters).map((row) => Object.values(row)), hasMore: false, changes: 0, lastInsertId: null }
    const { changes, lastInsertRowid } = statement.run(...parameters)
    return { columns, rows: [], hasMore: false, changes: Number(changes), lastInsertId: lastInsertRowid }
  }
  const runAll = ({ statements }: Execution): Result[] => statements.map(({ sql, parameters }) => run(sql, parameters))
  const undoable = <T>(begin: string, end: string, undo: string, body: () => T): T => {
    prepared(begin).run()
    try {
      const result = body()
      prepared(end).run()
      return result
    } catch (error) {
      for (const one of undo.split(';')) prepared(one).run()
      throw error
    }
  }
  const commitAll = (): void => {
    const group = waiting
    waiting = []
    const answers: (() => void)[] = []
    try {
      undoable('BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', () => {
        for (const { execution, resolve, reject } of group) {
          try {
            const results = undoable('SAVEPOINT one', 'RELEASE one', 'ROLLBACK TO one;RELEASE one', () => runAll(execution))
            answers.push(() => resolve(results))
          } catch (error) {
            answers.push(() => reject(error))
          }
        }
      })
    } catch (error) {
      for (const { reject } of group) reject(error)
      return
    }
    record++
    for (const tell of answers) tell()
  }
  const info = () => ({
    name: NAME, state: 'open' as const, problem: undefined, writesRefused: undefined, sizeBytes: 0, sizeLimitBytes: 0, record, oldestRestorable: undefined,
    logBytes: 0, snapshotBytes: 0, waiting: waiting.length, copyAgeSeconds: undefined,
  })
  const notHere = (): Promise<never> => Promise.reject(new Error('not in the bench'))

  return {
    start: async () => undefined,
    stop: async () => sqlite.close(),
    list: () => [info()],
    get: (name) => name === NAME ? info() : undefined,
    create: async () => ({ isNew: false }),
    query: async (_, { sql, parameters }) => ({ result: run(sql, parameters), record }),
    async execute(_, execution) {
      if (mode === 'each') {
        const results = undoable('BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', () => runAll(execution))
        return { results, record: ++record }
      }
      const results = await new Promise<Result[]>((resolve, reject) => {
        if (waiting.length === 0) setImmediate(commitAll)
        waiting.push({ execution, resolve, reject })
      })
      return { results, record }
    },
    remove: notHere, migrate: notHere, backup: notHere, restore: notHere, restoreTo: notHere,
    counts: () => ({ queries: 0, transactions: 0, timeouts: 0, rebuilds: 0, syncs: 0, records: 0, writtenBytes: 0, snapshots: 0, copiedBytes: 0, failedCopies: 0 }),
  }
}

function isList(parameters: NonNullable<Query['parameters']>): parameters is readonly SqlValue[] {
  return Array.isArray(parameters)
}

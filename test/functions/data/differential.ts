/** The same random statements for the data service, over HTTP, and for SQLite itself: every answer and the whole content are compared. */
import * as assert from 'node:assert/strict'
import * as z from 'zod'
import type { DataFunction, Reply } from './data-function.ts'
import { changesOf, type DifferentialStatement, queryOf, schema } from './differential-statements.ts'
import { randomOf } from './engine/random.ts'
import { createReferenceSqlite, jsonOf, type ReferenceAnswer, type ReferenceSqlite } from './reference-sqlite.ts'

export type DifferentialReport = {
  readonly statements: number
  /** Calls that failed, on both sides in the same way. */
  readonly failed: number
}

/** The content is compared after so many calls. */
const COMPARE_EVERY = 200
const NAME = 'differential'

/** Throws an AssertionError at the first difference; it tells the seed. */
export async function compareWithSqlite(data: DataFunction, { seed, statements: wanted }: { readonly seed: number; readonly statements: number }): Promise<DifferentialReport> {
  using reference = createReferenceSqlite()
  const random = randomOf(seed)
  const execute = (statements: readonly DifferentialStatement[]): Promise<Reply> =>
    data.call('POST', `/v1/db/${NAME}-${seed}/execute`, { statements: statements.map(toJson) })
  const query = (statement: DifferentialStatement): Promise<Reply> => data.call('POST', `/v1/db/${NAME}-${seed}/query`, toJson(statement))
  assert.equal((await data.call('PUT', `/v1/db/${NAME}-${seed}`)).status, 201)

  let statements = 0
  let failed = 0
  const compare = async (list: readonly DifferentialStatement[], reply: Promise<Reply>, expected: ReferenceAnswer, isQuery = false): Promise<void> => {
    const found = answerOf(await reply, list.length, isQuery)
    assert.deepEqual(found, expected, `seed ${seed}, after ${statements} statements: ${JSON.stringify(list.map(toJson))}`)
    statements += list.length
    if (!('results' in expected)) failed++
  }
  await compare(schema.map((sql) => ({ sql })), execute(schema.map((sql) => ({ sql }))), reference.execute(schema.map((sql) => ({ sql }))))
  for (let calls = 0; statements < wanted; calls++) {
    const [list, one] = [changesOf(random), queryOf(random)]
    await compare(list, execute(list), reference.execute(list))
    await compare([one], query(one), reference.query(one), true)
    if (calls % COMPARE_EVERY === 0) await compareContent(query, reference, seed)
  }
  await compareContent(query, reference, seed)
  return { statements, failed }
}

async function compareContent(query: (statement: DifferentialStatement) => Promise<Reply>, reference: ReferenceSqlite, seed: number): Promise<void> {
  const rowsOf = async (statement: DifferentialStatement): Promise<readonly (readonly unknown[])[]> => {
    const [found, expected] = [answerOf(await query(statement), 1, true), reference.query(statement)]
    assert.deepEqual(found, expected, `seed ${seed}: ${statement.sql}`)
    return resultsOf.parse(found).results[0].rows
  }
  const tables = await rowsOf({ sql: `SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name` })
  await rowsOf({ sql: 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name' })
  for (const [table] of tables) {
    const columns = (await rowsOf({ sql: 'SELECT name FROM pragma_table_xinfo(?) ORDER BY cid', parameters: [String(table)] })).map(([name]) => `"${String(name)}"`)
    const typed = columns.flatMap((column) => [column, `typeof(${column})`])
    await rowsOf({ sql: `SELECT ${typed.join(', ')} FROM "${String(table)}" ORDER BY ${typed.join(', ')}` })
  }
  assert.deepEqual(await rowsOf({ sql: 'SELECT * FROM pragma_integrity_check' }), [['ok']])
  await rowsOf({ sql: 'SELECT * FROM pragma_foreign_key_check ORDER BY 1, 2' })
}

const resultsOf = z.object({ results: z.tuple([z.object({ rows: z.array(z.array(z.unknown())) })]) })
const problem = z.object({ code: z.string(), detail: z.string(), errors: z.array(z.object({ path: z.string() })).optional() })

/** A query that fails does not say which statement: there is one. */
function answerOf({ status, body }: Reply, statements: number, isQuery: boolean): ReferenceAnswer {
  if (status === 200) return z.object({ results: z.array(z.looseObject({})).length(statements) }).parse(body)
  const { code, detail, errors = [] } = problem.parse(body)
  const [, index] = /^\/statements\/(\d+)\/sql$/.exec(errors[0]?.path ?? '') ?? []
  return { code, detail: code === 'expectation' ? '' : detail, statement: isQuery ? 0 : Number(index ?? -1) }
}

function toJson({ sql, parameters, expect }: DifferentialStatement): object {
  return { sql, ...(parameters !== undefined && { parameters: parameters.map(jsonOf) }), ...(expect !== undefined && { expect }) }
}

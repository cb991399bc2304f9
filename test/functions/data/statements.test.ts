/** Queries, transactions and migrations over HTTP. */
import * as assert from 'node:assert/strict'
import { cases, test } from '../../kit.ts'
import { type DataFunction, startData } from './data-function.ts'

/** One process for this file; each test has a database of its own. */
let shared: Promise<DataFunction> | undefined
const data = (): Promise<DataFunction> => shared ??= startData({ max_statement_time: '2s', max_rows: '50', max_request_size: '200Ki' })
let count = 0

async function database(statements: readonly object[] = []) {
  const name = `d${++count}`
  const { call } = await data()
  assert.equal((await call('PUT', `/v1/db/${name}`)).status, 201)
  const execute = (list: readonly object[], headers = {}, more = {}) => call('POST', `/v1/db/${name}/execute`, { statements: list, ...more }, { headers })
  const query = (sql: string, more = {}) => call('POST', `/v1/db/${name}/query`, { sql, ...more })
  if (statements.length > 0) assert.equal((await execute(statements)).status, 200)
  return { name, execute, query }
}

function rowsOf({ body }: { readonly body: Record<string, unknown> }): unknown {
  return JSON.parse(JSON.stringify(body))['results']?.at(-1)?.rows
}

const values: readonly { readonly name: string; readonly value: unknown; readonly comesBack?: unknown; readonly type: string }[] = [
  { name: 'nothing', value: null, type: 'null' },
  { name: 'a whole number', value: -17, type: 'integer' },
  { name: 'the largest whole number of JSON', value: 2 ** 53 - 1, type: 'integer' },
  { name: 'the largest integer', value: { integer: '9223372036854775807' }, type: 'integer' },
  { name: 'the smallest integer', value: { integer: '-9223372036854775808' }, type: 'integer' },
  { name: 'one beyond 2^53', value: { integer: '9007199254740993' }, type: 'integer' },
  { name: 'a fraction', value: 0.1, type: 'real' },
  { name: 'a large real', value: { real: '1e+300' }, type: 'real' },
  { name: 'a whole number that is said to be real', value: { real: '3' }, comesBack: 3, type: 'real' },
  { name: 'infinity', value: { real: '-Infinity' }, type: 'real' },
  { name: 'a text with every plane', value: 'a\u0000é中🚗', type: 'text' },
  { name: 'an empty text', value: '', type: 'text' },
  { name: 'a blob', value: { blob: 'AAH+/w==' }, type: 'blob' },
  { name: 'an empty blob', value: { blob: '' }, type: 'blob' },
]

test('every value comes back as it was sent, through parameters, tables and results', async () => {
  const { execute, query } = await database([{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)' }])
  const sent = await execute(values.map(({ value }) => ({ sql: 'INSERT INTO t (v) VALUES (?)', parameters: [value] })))
  assert.equal(sent.status, 200, JSON.stringify(sent.body))
  const rows = rowsOf(await query('SELECT v, typeof(v) FROM t ORDER BY id'))
  assert.deepEqual(rows, values.map(({ value, comesBack = value, type }) => [comesBack, type]))
  assert.deepEqual(rowsOf(await query('SELECT ?', { parameters: [{ integer: '9007199254740993' }] })), [[{ integer: '9007199254740993' }]])
})

cases('a value that JSON cannot hold exactly is refused, with its place', [
  { name: 'a number beyond 2^53', value: 2 ** 53, status: 400 },
  { name: 'an integer of more than 64 bits', value: { integer: '9223372036854775808' }, status: 422 },
  { name: 'a blob that is not base64', value: { blob: '%' }, status: 400 },
  { name: 'a flag', value: true, status: 400 },
  { name: 'an unknown object', value: { text: 'a' }, status: 400 },
], async ({ value, status }) => {
  const { execute } = await database()
  const { status: told, body } = await execute([{ sql: 'SELECT 1' }, { sql: 'SELECT ?', parameters: [1, value] }])
  assert.equal(told, status, JSON.stringify(body))
  const [{ path }] = JSON.parse(JSON.stringify(body)).errors
  assert.ok(path === '/statements/1/parameters/1' || path === '/statements/1/parameters/1/blob', path)
})

test('parameters are bound by position and by name', async () => {
  const { query } = await database()
  assert.deepEqual(rowsOf(await query('SELECT ?, ?', { parameters: ['a', 1] })), [['a', 1]])
  assert.deepEqual(rowsOf(await query('SELECT :a, @b, $c', { parameters: { a: 1, '@b': 2, c: 3 } })), [[1, 2, 3]])
  const missing = await query('SELECT :a', { parameters: { b: 1 } })
  assert.equal(missing.status, 422)
  assert.match(String(missing.body['detail']), /a/)
})

test('a transaction is all or nothing, and says which statement it was', async () => {
  const { execute, query } = await database([{ sql: 'CREATE TABLE t (n UNIQUE)' }])
  const failed = await execute([{ sql: 'INSERT INTO t VALUES (1)' }, { sql: 'INSERT INTO t VALUES (1)' }])
  assert.deepEqual([failed.status, failed.body['code']], [409, 'constraint'])
  assert.deepEqual(JSON.parse(JSON.stringify(failed.body)).errors.map((one: { path: string }) => one.path), ['/statements/1/sql'])
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[0]])

  const unmet = await execute([{ sql: 'INSERT INTO t VALUES (1)' }, { sql: 'UPDATE t SET n = 3 WHERE n = 2', expect: { changes: 1 } }])
  assert.deepEqual([unmet.status, unmet.body['code']], [409, 'expectation'])
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[0]])

  const met = await execute([
    { sql: 'INSERT INTO t VALUES (1), (2) RETURNING n', expect: { changes: 2, rows: { min: 1 } } },
    { sql: 'SELECT n FROM t ORDER BY n', expect: { rows: { max: 2 } } },
  ])
  assert.equal(met.status, 200)
  const [inserted, selected] = JSON.parse(JSON.stringify(met.body)).results
  assert.deepEqual(inserted, { columns: ['n'], rows: [[1], [2]], has_more: false, changes: 2, last_insert_id: 2 })
  assert.deepEqual(selected.rows, [[1], [2]])
})

test('a query cannot change anything, whatever it says', async () => {
  const { query } = await database([{ sql: 'CREATE TABLE t (n)' }])
  const attempts = [
    'INSERT INTO t VALUES (1)', 'PRAGMA query_only = 0', 'WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a', 'SELECT 1; INSERT INTO t VALUES (1)',
    'DROP TABLE t', "ATTACH 'x' AS y", 'BEGIN', 'VACUUM', '/* SELECT */ DELETE FROM t', 'INSERT INTO t VALUES (1) RETURNING n',
  ]
  for (const sql of attempts) {
    const { status } = await query(sql)
    assert.ok([403, 422].includes(status), `${sql}: ${status}`)
  }
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[0]])
})

test('rows stop at the limit and the answer says that there were more', async () => {
  const { query } = await database()
  const many = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000) SELECT n FROM c'
  const some = await query(many, { limit: 3 })
  assert.deepEqual([rowsOf(some), JSON.parse(JSON.stringify(some.body)).results[0].has_more], [[[1], [2], [3]], true])
  assert.equal((rowsOf(await query(many)) as unknown[]).length, 50, 'max_rows without a limit')
  const greedy = await query(many, { limit: 51 })
  assert.deepEqual([greedy.status, JSON.parse(JSON.stringify(greedy.body)).errors[0].path], [400, '/limit'])
})

test('a statement without end is ended at its deadline, and the database goes on', async () => {
  const { query, execute } = await database([{ sql: 'CREATE TABLE t (n)' }, { sql: 'INSERT INTO t VALUES (7)' }])
  const endless = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c'
  const ended = await query(endless, { timeout_ms: 100 })
  assert.deepEqual([ended.status, ended.body['code']], [504, 'timeout'])
  assert.deepEqual(rowsOf(await query('SELECT n FROM t')), [[7]])
  assert.equal((await execute([{ sql: 'INSERT INTO t VALUES (8)' }])).status, 200)
})

test('migrations run once, in order, and a changed one is refused', async () => {
  const { name, query } = await database()
  const { call } = await data()
  const first = { id: '1', sql: 'CREATE TABLE t (n); INSERT INTO t VALUES (1)' }
  const second = { id: '2', sql: 'ALTER TABLE t ADD COLUMN m' }
  const migrate = (migrations: readonly object[]) => call('PUT', `/v1/db/${name}/migrations`, { migrations })
  assert.deepEqual((await migrate([first])).body['applied'], ['1'])
  const both = await migrate([first, second])
  assert.deepEqual([both.body['applied'], both.body['skipped']], [['2'], ['1']])
  assert.deepEqual(rowsOf(await query('SELECT n, m FROM t')), [[1, null]])
  const changed = await migrate([{ ...first, sql: 'CREATE TABLE u (n)' }, second])
  assert.deepEqual([changed.status, changed.body['code']], [409, 'conflict'])
  const bad = await migrate([first, second, { id: '3', sql: 'CREATE TABLE w (n); SELEC' }])
  assert.equal(bad.status, 422)
  assert.equal((await query('SELECT * FROM w')).status, 422, 'nothing of it is left')
})

test('a call that is sent again with its key is carried out once, also over a restart', async () => {
  const { name, execute, query } = await database([{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' }])
  const insert = [{ sql: 'INSERT INTO t DEFAULT VALUES RETURNING id' }]
  const key = { 'idempotency-key': 'one' }
  const first = await execute(insert, key)
  const again = await execute(insert, key)
  assert.deepEqual(again.body, first.body)
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  await (await data()).restart()
  assert.deepEqual((await execute(insert, key)).body, first.body)
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[1]])

  const { call } = await data()
  const token = String((await call('POST', '/v1/tokens', { label: 'another', grants: [{ database: name, right: 'write' }] })).body['token'])
  const another = await call('POST', `/v1/db/${name}/execute`, { statements: insert }, { headers: key, token })
  assert.deepEqual([another.status, rowsOf(another)], [200, [[2]]], 'the same key of another caller is another key')
  assert.equal((await execute([{ sql: 'DELETE FROM t WHERE id = 2' }])).status, 200)
  const other = await execute([{ sql: 'DELETE FROM t' }], key)
  assert.deepEqual([other.status, other.body['code']], [422, 'key_reused'])
  const together = await Promise.all(Array.from({ length: 8 }, () => execute(insert, { 'idempotency-key': 'two' })))
  assert.ok(together.every(({ status }) => status === 200 || status === 409), JSON.stringify(together))
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[2]])
  const failed = await execute([{ sql: 'INSERT INTO t VALUES (1)' }], { 'idempotency-key': 'three' })
  assert.deepEqual([failed.status, JSON.parse(JSON.stringify(failed.body)).errors[0].path], [409, '/statements/0/sql'])
  assert.equal((await execute([{ sql: 'INSERT INTO t VALUES (9)' }], { 'idempotency-key': 'three' })).status, 200, 'a call that failed left no key')
})

test("the service's own tables are not for callers", async () => {
  const { name, execute, query } = await database([{ sql: 'CREATE TABLE t (a)' }])
  for (const sql of ['CREATE TABLE _bramble_calls (x)', 'DELETE FROM "_BRAMBLE_migrations"', 'ALTER TABLE t RENAME TO [_bramble_x]']) {
    assert.equal((await execute([{ sql }])).status, 422, sql)
    assert.equal((await (await data()).call('PUT', `/v1/db/${name}/migrations`, { migrations: [{ id: '1', sql }] })).status, 422, sql)
  }
  assert.equal((await execute([{ sql: 'INSERT INTO t VALUES (?)', parameters: ['_bramble_'] }], { 'idempotency-key': 'k' })).status, 200)
  assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[1]])
})

test('a change with If-Match happens only if nothing else has changed', async () => {
  const { execute, query } = await database([{ sql: 'CREATE TABLE t (n)' }])
  let winner
  for (let round = 1; round <= 4; round++) {
    const etag = (await query('SELECT 1')).headers.get('etag') ?? ''
    const racers = await Promise.all(Array.from({ length: 12 }, (_, n) => execute([{ sql: 'INSERT INTO t VALUES (?)', parameters: [n] }], { 'if-match': etag })))
    assert.deepEqual(racers.map(({ status }) => status).sort(), [200, ...Array(11).fill(412)])
    assert.deepEqual(rowsOf(await query('SELECT count(*) FROM t')), [[round]])
    winner = racers.find(({ status }) => status === 200)
  }
  const next = await execute([{ sql: 'INSERT INTO t VALUES (9)' }], { 'if-match': winner?.headers.get('etag') ?? '', 'idempotency-key': 'k' })
  assert.equal(next.status, 200)
  assert.equal((await execute([{ sql: 'INSERT INTO t VALUES (9)' }], { 'if-match': next.headers.get('etag') ?? '' })).status, 200)
})

test('what is too large, too much or nowhere is refused', async () => {
  const { name } = await database()
  const { call } = await data()
  const statement = { sql: 'SELECT 1' }
  const large = await call('POST', `/v1/db/${name}/execute`, { statements: [{ sql: 'SELECT ?', parameters: ['x'.repeat(210 * 1024)] }] })
  assert.deepEqual([large.status, large.body['code']], [413, 'too_large'])
  assert.equal((await call('POST', `/v1/db/${name}/execute`, { statements: Array(1001).fill(statement) })).status, 400)
  assert.equal((await call('POST', `/v1/db/${name}/execute`, { statements: [] })).status, 400)
  assert.deepEqual((await call('POST', '/v1/db/nowhere/query', statement)).body['code'], 'not_found')
  assert.equal((await call('POST', '/v1/db/_service/query', statement)).status, 400)
  assert.equal((await call('POST', `/v1/db/${name}/query`, { ...statement, timeout_ms: 2001 })).status, 400)
})

test('the process of these tests ends', async () => (await data())[Symbol.asyncDispose]())

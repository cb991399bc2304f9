import * as assert from 'node:assert/strict'
import { DataError, type DataErrorCode } from '../../../../functions/data/engine/errors.ts'
import { createEngine } from '../../../../functions/data/engine/engine.ts'
import { nodeFiles } from '../../../../functions/data/engine/files.ts'
import type { SqlValue } from '../../../../functions/data/engine/types.ts'
import { cases, eventually, test } from '../../../kit.ts'
import { engineWorld, rowsOf } from './engine-world.ts'
import { inMemory } from './forgetful-files.ts'

const createTable = { sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, value ANY)' }

test('what was written is there after a restart', async () => {
  await using world = await engineWorld()
  assert.deepEqual(await world.engine().create('shop'), { isNew: true })
  assert.deepEqual(await world.engine().create('shop'), { isNew: false })
  await world.engine().execute('shop', { statements: [createTable, { sql: 'INSERT INTO t (value) VALUES (?)', parameters: ['a'] }] })
  const { results, record } = await world.engine().execute('shop', { statements: [{ sql: 'INSERT INTO t (value) VALUES (?)', parameters: ['b'] }] })
  assert.equal(record, 2)
  assert.deepEqual(results, [{ columns: [], rows: [], hasMore: false, changes: 1, lastInsertId: 2 }])
  const engine = await world.restart()
  assert.deepEqual(await rowsOf(engine, 'shop', 'SELECT value FROM t ORDER BY id'), [['a'], ['b']])
  assert.equal(engine.get('shop')?.record, 2)
})

const values: readonly { readonly name: string; readonly value: SqlValue; readonly type: string }[] = [
  { name: 'NULL', value: null, type: 'null' },
  { name: 'zero', value: 0, type: 'integer' },
  { name: 'a small integer', value: -7, type: 'integer' },
  { name: 'an integer of more than 32 bits', value: 1_700_000_000_123, type: 'integer' },
  { name: 'the largest safe integer', value: Number.MAX_SAFE_INTEGER, type: 'integer' },
  { name: 'an integer one too large for a number', value: 9_007_199_254_740_993n, type: 'integer' },
  { name: 'the largest integer', value: 9_223_372_036_854_775_807n, type: 'integer' },
  { name: 'the smallest integer', value: -9_223_372_036_854_775_808n, type: 'integer' },
  { name: 'a fraction', value: 0.1, type: 'real' },
  { name: 'a real beyond all integers', value: 1e300, type: 'real' },
  { name: 'infinity', value: -Infinity, type: 'real' },
  { name: 'an empty text', value: '', type: 'text' },
  { name: 'a text of all kinds of characters', value: 'aä漢😀\0b', type: 'text' },
  { name: 'an empty blob', value: new Uint8Array(0), type: 'blob' },
  { name: 'a blob', value: new Uint8Array([0, 255, 1]), type: 'blob' },
]

test('values keep their type and all their bits', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await engine.create('db')
  await engine.execute('db', { statements: [createTable, ...values.map(({ value }) => ({ sql: 'INSERT INTO t (value) VALUES (?)', parameters: [value] }))] })
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT value, typeof(value) FROM t ORDER BY id'), values.map(({ value, type }) => [value, type]))
  const echo = await rowsOf(engine, 'db', `SELECT ${values.map(() => '?').join()}`, values.map(({ value }) => value))
  assert.deepEqual(echo, [values.map(({ value }) => value)])
})

const refusals: readonly { readonly name: string; readonly sql: string; readonly code: DataErrorCode; readonly parameters?: readonly SqlValue[]; readonly asQuery?: true }[] = [
  { name: 'a syntax error', sql: 'SELEKT 1', code: 'SQL', asQuery: true },
  { name: 'a missing table', sql: 'SELECT * FROM missing', code: 'SQL', asQuery: true },
  { name: 'nothing', sql: ' -- nothing', code: 'INVALID' },
  { name: 'two statements', sql: 'SELECT 1; SELECT 2', code: 'NOT_ACCEPTED', asQuery: true },
  { name: 'too few parameters', sql: 'SELECT ?, ?', parameters: [1], code: 'INVALID', asQuery: true },
  { name: 'too many parameters', sql: 'SELECT ?', parameters: [1, 2], code: 'INVALID', asQuery: true },
  { name: 'an integer of 65 bits', sql: 'SELECT ?', parameters: [2n ** 63n], code: 'INVALID', asQuery: true },
  { name: 'a PRAGMA', sql: 'PRAGMA journal_mode = DELETE', code: 'NOT_ACCEPTED' },
  { name: 'a PRAGMA in a query', sql: 'PRAGMA query_only = 0', code: 'NOT_ACCEPTED', asQuery: true },
  { name: 'a PRAGMA behind a comment', sql: '/* x */ ; -- y\n PRAGMA user_version = 1', code: 'NOT_ACCEPTED' },
  { name: 'a BEGIN', sql: 'BEGIN', code: 'NOT_ACCEPTED' },
  { name: 'a COMMIT', sql: 'commit', code: 'NOT_ACCEPTED' },
  { name: 'a SAVEPOINT', sql: 'SAVEPOINT a', code: 'NOT_ACCEPTED' },
  { name: 'an ATTACH', sql: `ATTACH 'other' AS other`, code: 'NOT_ACCEPTED' },
  { name: 'a VACUUM INTO', sql: `VACUUM INTO 'other'`, code: 'NOT_ACCEPTED' },
  { name: 'a temporary table', sql: 'CREATE TEMP TABLE x (a)', code: 'NOT_ACCEPTED' },
  { name: 'a temporary table by another name', sql: 'CREATE TABLE temp.x (a)', code: 'NOT_ACCEPTED' },
  { name: 'an INSERT as a query', sql: 'INSERT INTO t VALUES (1, 2)', code: 'READ_ONLY', asQuery: true },
  { name: 'a WITH that deletes as a query', sql: 'WITH a AS (SELECT 1) DELETE FROM t', code: 'READ_ONLY', asQuery: true },
  { name: 'a query that writes on the side', sql: `SELECT optimize(words) FROM words LIMIT 1`, code: 'READ_ONLY', asQuery: true },
  { name: 'a violated constraint', sql: 'INSERT INTO t VALUES (1, 2)', code: 'CONSTRAINT' },
  { name: 'a missing parent at the end', sql: 'INSERT INTO child VALUES (99)', code: 'CONSTRAINT' },
]

cases('refused, and nothing is changed', refusals, async ({ sql, code, parameters, asQuery }) => {
  await using world = await engineWorld(inMemory())
  const engine = world.engine()
  await engine.create('db')
  const setUp = [
    createTable, { sql: 'CREATE VIRTUAL TABLE words USING fts4(word)' }, { sql: 'INSERT INTO t VALUES (1, 1)' },
    { sql: 'CREATE TABLE child (t INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)' },
  ]
  await engine.execute('db', { statements: setUp })
  // Two segments of the index, for optimize to merge.
  for (const word of ['one', 'two']) await engine.execute('db', { statements: [{ sql: 'INSERT INTO words VALUES (?)', parameters: [word] }] })
  const before = engine.get('db')?.record
  const call = asQuery ? engine.query('db', { sql, parameters }) : engine.execute('db', { statements: [{ sql: 'INSERT INTO t VALUES (7, 7)' }, { sql, parameters }] })
  await assert.rejects(call, (error) => error instanceof DataError && error.code === code && error.statement === (asQuery ? undefined : sql.includes('child') ? undefined : 1))
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT id FROM t'), [[1]])
  assert.equal(engine.get('db')?.record, before)
})

test('a refused PRAGMA has no effect, by whichever way it came', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await engine.create('shop')
  await engine.execute('shop', { statements: [createTable] })
  const all = ['foreign_keys', 'ignore_check_constraints', 'query_only', 'writable_schema', 'recursive_triggers', 'max_page_count', 'cache_size', 'trusted_schema']
  const settings = () => rowsOf(engine, 'shop', `SELECT * FROM ${all.map((name) => `pragma_${name}`).join(', ')}`)
  const before = await settings()
  for (const name of all) {
    for (const sql of [`PRAGMA ${name} = 0`, `PRAGMA ${name} = 1`, `EXPLAIN PRAGMA ${name} = 1`, `explain query plan pragma ${name}(0)`]) {
      await assert.rejects(engine.query('shop', { sql }), { code: 'NOT_ACCEPTED' })
      await assert.rejects(engine.execute('shop', { statements: [{ sql }] }), { code: 'NOT_ACCEPTED' })
      await assert.rejects(engine.migrate('shop', [{ id: '1', sql: `CREATE TABLE u (a); ${sql}` }]), { code: 'NOT_ACCEPTED' })
    }
  }
  assert.deepEqual(await settings(), before)
  await engine.execute('shop', { statements: [{ sql: 'INSERT INTO t VALUES (1, 2)' }] })
})

test('statements of all databases share one memory: who wants too much of it is refused, and what was taken comes back', async () => {
  await using world = await engineWorld({ limits: { heapBytes: 80 * 2 ** 20 }, idleMs: 600_000 })
  const engine = world.engine()
  const sorts = 'WITH RECURSIVE c(x, b) AS (SELECT 1, randomblob(1000000) UNION ALL SELECT x + 1, randomblob(1000000) FROM c WHERE x < 32) SELECT length(b) FROM c ORDER BY b'
  const names = ['a', 'b', 'c']
  for (const name of names) await engine.create(name)
  const codes = await Promise.all(names.map((name) => engine.query(name, { sql: sorts }).then(() => 'fine', (error: unknown) => error instanceof DataError ? error.code : 'other')))
  assert.ok(codes.includes('TOO_LARGE'), codes.join(' '))
  assert.ok(codes.every((code) => code === 'fine' || code === 'TOO_LARGE'), codes.join(' '))
  for (const name of names) assert.deepEqual(await rowsOf(engine, name, 'SELECT 1'), [[1]])
  await eventually('a later one finds room', async () => (await engine.query('a', { sql: sorts }).catch(() => undefined)) !== undefined, 60_000)
})

test('a list of statements is undone as a whole when an expectation fails', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await engine.create('db')
  await engine.execute('db', { statements: [createTable, { sql: 'INSERT INTO t VALUES (1, 10)' }] })
  const take = (id: number) => engine.execute('db', { statements: [
    { sql: 'INSERT INTO t VALUES (2, 0)' },
    { sql: 'UPDATE t SET value = value - 1 WHERE id = :id', parameters: { id }, expect: { changes: 1 } },
    { sql: 'SELECT 1 FROM t WHERE value < 0', expect: { rows: { max: 0 } } },
  ] })
  await assert.rejects(take(9), (error) => error instanceof DataError && error.code === 'EXPECTATION' && error.statement === 1)
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT * FROM t'), [[1, 10]])
  const { results } = await take(1)
  assert.deepEqual(results.map(({ changes }) => changes), [1, 1, 0])
})

test('one process at a time uses a folder: the next one waits until it is free', async () => {
  await using world = await engineWorld()
  const held = await nodeFiles.lock(world.folder)
  assert.ok(held)
  assert.equal(await nodeFiles.lock(world.folder), undefined)
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const next = createEngine({ settings: { folder: world.folder, trustsFolder: true }, log: quiet })
  let asked = 0
  const waiting = createEngine({
    settings: { folder: world.folder, trustsFolder: true }, log: quiet,
    files: { ...nodeFiles, lock: (folder) => { asked++; return nodeFiles.lock(folder) } },
  })
  const started = waiting.start()
  await eventually('it asks again', () => asked > 2)
  await assert.rejects(waiting.create('db'), (error) => error instanceof DataError && error.code === 'UNAVAILABLE')
  held()
  await started
  await waiting.create('db')
  await waiting.stop()
  await next.start()
  await next.stop()
})

test('without a volume nothing is written, and the reason is told', async () => {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const engine = createEngine({ settings: { folder: '' }, log: quiet })
  await engine.start()
  await assert.rejects(engine.create('db'), (error) => error instanceof DataError && error.code === 'NOT_DURABLE' && /volume/.test(error.message))
  assert.deepEqual(engine.list(), [])
  await engine.stop()
})

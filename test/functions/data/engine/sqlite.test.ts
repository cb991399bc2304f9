import * as assert from 'node:assert/strict'
import { createHeapBudget, createHeapShare } from '../../../../functions/data/engine/heap.ts'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createConnection } from '../../../../functions/data/engine/connection.ts'
import { DataError } from '../../../../functions/data/engine/errors.ts'
import { createPagedFile } from '../../../../functions/data/engine/paged-file.ts'
import { loadSqlite } from '../../../../functions/data/engine/sqlite.ts'
import { sqliteModule } from '../../../../functions/data/engine/sqlite-module.ts'
import { test } from '../../../kit.ts'
import { engineWorld, rowsOf } from './engine-world.ts'
import { inMemory } from './forgetful-files.ts'

/** Of the build whose system calls `sqlite.ts` knows by name. After an update: look the names up, run all tests, write the new hash here. */
const KNOWN_BUILD = '43bbcdd44287e5a2db3b6b5af34b1a3485a7a441285d247976c1ebe3c61f8dbf'

test('sql.js is the build that is known', () => {
  const module = readFileSync(createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm'))
  assert.equal(createHash('sha256').update(module).digest('hex'), KNOWN_BUILD)
})

test('a transaction that changes too much spoils the file and says so; a query that would write spoils only the connection', async () => {
  const file = createPagedFile()
  const sqlite = await loadSqlite(await sqliteModule(), file, { heap: createHeapShare(createHeapBudget(2 ** 30)), heapBytes: 2 ** 28, changeBytes: 100_000 })
  const open = () => createConnection({ sqlite, databaseBytes: 2 ** 26, name: 'db' })
  const limits = { rows: 10, bytes: 1000 }
  let connection = open()
  connection.execute([{ sql: 'CREATE TABLE t (a)' }, { sql: 'CREATE VIRTUAL TABLE words USING fts4 (word)' }], limits)
  for (const word of ['one', 'two']) connection.execute([{ sql: 'INSERT INTO words VALUES (?)', parameters: [word] }], limits)
  file.takeChanges()

  assert.throws(() => connection.query('SELECT optimize(words) FROM words', undefined, limits), (error) => error instanceof DataError && error.code === 'READ_ONLY')
  assert.equal(connection.spoiled(), 'connection')
  assert.equal(file.takeChanges(), undefined)
  connection.close()
  connection = open()
  assert.deepEqual(connection.query('SELECT count(*) FROM words', undefined, limits).rows, [[2]])

  const large = { sql: 'INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000) SELECT randomblob(1000) FROM n' }
  assert.throws(() => connection.execute([large], limits), (error) => error instanceof DataError && error.code === 'TOO_LARGE')
  assert.equal(connection.spoiled(), 'file')
})

test('no table-valued PRAGMA changes what durability stands on', async () => {
  const settings = ['journal_mode', 'locking_mode', 'synchronous', 'temp_store', 'foreign_keys', 'trusted_schema', 'writable_schema', 'query_only', 'max_page_count', 'cache_size', 'page_size']
  await using world = await engineWorld(inMemory())
  const engine = world.engine()
  await engine.create('db')
  await engine.execute('db', { statements: [{ sql: 'CREATE TABLE t (a)' }] })
  const look = () => Promise.all(settings.map((name) => rowsOf(engine, 'db', `SELECT * FROM pragma_${name}`)))
  const before = await look()
  const names = (await rowsOf(engine, 'db', 'SELECT name FROM pragma_pragma_list')).flat()
  assert.ok(names.length > 50)
  for (const name of names) {
    for (const argument of ['0', '1', `'delete'`, `'t'`]) {
      const sql = `SELECT * FROM pragma_${String(name)}(${argument})`
      await engine.query('db', { sql }).catch((error: unknown) => assert.ok(error instanceof DataError))
      await engine.execute('db', { statements: [{ sql }] }).catch((error: unknown) => assert.ok(error instanceof DataError))
    }
  }
  assert.deepEqual(await look(), before)
})

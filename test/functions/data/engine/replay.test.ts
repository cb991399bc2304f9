import * as assert from 'node:assert/strict'
import { DataError } from '../../../../functions/data/engine/errors.ts'
import { cases, test } from '../../../kit.ts'
import { engineWorld, fileOf, rowsOf } from './engine-world.ts'
import { randomOf } from './random.ts'
import { schema, transactionOf } from './random-statements.ts'

const TRANSACTIONS = 300

cases('what is rebuilt from the log is the same to the byte', [{ name: 'log alone', snapshotEveryBytes: 1e9 }, { name: 'snapshots and log', snapshotEveryBytes: 60_000 }], async ({ snapshotEveryBytes }) => {
  await using world = await engineWorld({ limits: { snapshotEveryBytes } })
  const random = randomOf(snapshotEveryBytes)
  await world.engine().create('db')
  await world.engine().execute('db', { statements: schema })
  const failures = new Map<string, number>()
  for (let round = 0; round < 3; round++) {
    const calls = Array.from({ length: TRANSACTIONS / 3 }, () => world.engine().execute('db', { statements: transactionOf(random) }).catch((error: unknown) => {
      assert.ok(error instanceof DataError)
      failures.set(error.code, (failures.get(error.code) ?? 0) + 1)
    }))
    await Promise.all(calls)
    const before = await fileOf(world.engine(), 'db')
    const { record, sizeBytes } = world.engine().get('db') ?? {}
    assert.ok(before.length > 10_000 && before.length === sizeBytes)
    await world.restart()
    const after = await fileOf(world.engine(), 'db')
    assert.ok(after.equals(before), 'the file is the same')
    assert.equal(world.engine().get('db')?.record, record)
    assert.deepEqual(await rowsOf(world.engine(), 'db', 'SELECT * FROM pragma_integrity_check'), [['ok']])
  }
  assert.deepEqual([...failures.keys()].sort(), ['CONSTRAINT', 'EXPECTATION', 'SQL'], 'statements of each kind failed')
  assert.ok([...failures.values()].reduce((sum, count) => sum + count) < TRANSACTIONS * 0.8, 'many did not')
  if (snapshotEveryBytes < 1e9) assert.ok((world.engine().get('db')?.snapshotBytes ?? 0) > 0, 'there were snapshots')
})

test('a transaction that is larger than the cache is undone to the byte, or recorded to the byte', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await engine.create('db')
  await engine.execute('db', { statements: [
    { sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB)' },
    { sql: 'INSERT INTO t (a) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT randomblob(3000) FROM n' },
    { sql: 'DELETE FROM t WHERE id % 3 = 0' },
  ] })
  const rows = await rowsOf(engine, 'db', 'SELECT count(*), sum(length(a)), hex(max(a)) FROM t')
  const large = { sql: 'UPDATE t SET a = randomblob(5000)' }
  const more = { sql: 'INSERT INTO t (a) SELECT a FROM t' }
  await assert.rejects(engine.execute('db', { statements: [large, more, { sql: 'SELECT missing' }] }), /no such column/)
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*), sum(length(a)), hex(max(a)) FROM t'), rows)
  for (const statements of [[], [large], [more]]) {
    if (statements.length > 0) await world.engine().execute('db', { statements })
    const before = await fileOf(world.engine(), 'db')
    await world.restart()
    assert.ok((await fileOf(world.engine(), 'db')).equals(before))
    assert.deepEqual(await rowsOf(world.engine(), 'db', 'SELECT * FROM pragma_integrity_check'), [['ok']])
  }
})

/** What a database does when it is disturbed: endless statements, crowds, full and damaged disks. */
import * as assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError, type DataErrorCode } from '../../../../functions/data/engine/errors.ts'
import type { Engine } from '../../../../functions/data/engine/engine.ts'
import type { DataFile } from '../../../../functions/data/engine/files.ts'
import { cases, eventually, test } from '../../../kit.ts'
import { engineWorld, fileOf, rowsOf } from './engine-world.ts'
import { createForgetfulDisk, inMemory } from './forgetful-files.ts'

const endless = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n'
const table = { sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, value)' }
const insert = (value: number | string) => ({ statements: [{ sql: 'INSERT INTO t (value) VALUES (?)', parameters: [value] }] })
const isError = (code: DataErrorCode) => (error: unknown): boolean => error instanceof DataError && error.code === code

async function withTable(engine: Engine, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await engine.create(name)
    await engine.execute(name, { statements: [table] })
  }
}

test('an endless statement is ended at its deadline, its neighbours are answered, and other databases do not notice', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await withTable(engine, 'busy', 'calm')
  const before = Array.from({ length: 20 }, (_, index) => engine.execute('busy', insert(index)))
  const call = engine.query('busy', { sql: endless, timeoutMs: 300 })
  const after = Array.from({ length: 20 }, (_, index) => engine.execute('busy', insert(100 + index)))
  const read = engine.query('busy', { sql: 'SELECT count(*) FROM t' })
  let calm = 0
  const isEnded = call.then(() => true, () => true)
  while (!await Promise.race([isEnded, engine.execute('calm', insert(calm)).then(() => false)])) calm++
  await assert.rejects(call, isError('TIMEOUT'))
  await Promise.all([...before, ...after])
  assert.deepEqual((await read).result.rows, [[40]])
  assert.ok(calm > 0, 'the other one went on')
  assert.equal(engine.counts().timeouts, 1)
  assert.equal(engine.counts().rebuilds, 1)
  await assert.rejects(engine.execute('busy', { statements: [...insert('lost').statements, { sql: endless }], timeoutMs: 100 }), isError('TIMEOUT'))
  assert.deepEqual(await rowsOf(engine, 'busy', 'SELECT count(*), count(DISTINCT value) FROM t'), [[40, 40]])
})

test('a statement that needs too much memory is refused, and the next one is answered', async () => {
  await using world = await engineWorld({ limits: { databaseBytes: 2 ** 20 } })
  const engine = world.engine()
  await withTable(engine, 'db')
  await assert.rejects(engine.query('db', { sql: 'SELECT length(zeroblob(900000000) || 1)' }), isError('TOO_LARGE'))
  await assert.rejects(engine.query('db', { sql: 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT group_concat(hex(zeroblob(100000))) FROM n' }), isError('TOO_LARGE'))
  await assert.rejects(engine.query('db', { sql: 'SELECT zeroblob(9000000)' }), isError('TOO_LARGE'))
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT 1'), [[1]])
})

test('a database stays within its size limit, and takes more when something is deleted', async () => {
  await using world = await engineWorld({ limits: { databaseBytes: 2 ** 20 } })
  const engine = world.engine()
  await withTable(engine, 'db')
  const fill = { statements: [{ sql: 'INSERT INTO t (value) VALUES (zeroblob(200000))' }] }
  await assert.rejects(async () => { for (;;) await engine.execute('db', fill) }, isError('DATABASE_FULL'))
  assert.ok((engine.get('db')?.sizeBytes ?? 0) <= 2 ** 20)
  await engine.execute('db', { statements: [{ sql: 'DELETE FROM t WHERE id = 1' }] })
  await engine.execute('db', fill)
  assert.deepEqual(await rowsOf(await world.restart(), 'db', 'SELECT count(*), sum(length(value)) FROM t'), [[5, 1_000_000]])
})

test('a crowd waits in a line of limited length', async () => {
  await using world = await engineWorld({ limits: { waiting: 50 } })
  const engine = world.engine()
  await withTable(engine, 'db')
  const calls = await Promise.allSettled(Array.from({ length: 200 }, (_, index) => engine.execute('db', insert(index))))
  const refused = calls.filter((one) => one.status === 'rejected')
  assert.ok(refused.length >= 100 && refused.every(({ reason }) => isError('BUSY')(reason)))
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[200 - refused.length]])
})

test('two writers at once see each other whole, and lose nothing', async () => {
  await using world = await engineWorld(inMemory())
  const engine = world.engine()
  await withTable(engine, 'db')
  await engine.execute('db', insert(0))
  let lost = 0
  const writer = async (): Promise<void> => {
    for (let done = 0; done < 50;) {
      const [[value] = []] = await rowsOf(engine, 'db', 'SELECT value FROM t WHERE id = 1')
      const swap = { sql: 'UPDATE t SET value = :next WHERE id = 1 AND value = :seen', parameters: { next: Number(value) + 1, seen: value ?? null }, expect: { changes: 1 } }
      const log = { sql: 'INSERT INTO t (value) SELECT value FROM t WHERE id = 1' }
      try {
        await engine.execute('db', { statements: [swap, log] })
        done++
      } catch (error) {
        assert.ok(isError('EXPECTATION')(error))
        lost++
      }
    }
  }
  await Promise.all([writer(), writer()])
  assert.ok(lost > 0, 'they met')
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT value, (SELECT count(*) FROM t) FROM t WHERE id = 1'), [[100, 101]])
})

test('what is not durable yet is not shown: a read that saw it waits, one from before does not, and errors wait too', async () => {
  const { files, folder } = inMemory()
  let isOpen = true
  const waiting: (() => void)[] = []
  const gate = async (): Promise<void> => { if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve)) }
  const slow = (file: DataFile): DataFile => ({ ...file, writeThrough: async (parts, offset) => gate().then(() => file.writeThrough(parts, offset)) })
  await using world = await engineWorld({ folder, files: { ...files, create: async (path) => slow(await files.create(path)) } })
  const engine = world.engine()
  await withTable(engine, 'db')
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[0]])
  isOpen = false
  const answered: string[] = []
  const note = (what: string) => () => { answered.push(what) }
  const before = rowsOf(engine, 'db', 'SELECT count(*) FROM t').then(note('read before'))
  const write = engine.execute('db', { statements: [{ sql: 'INSERT INTO t VALUES (1, 1)' }] }).then(note('write'))
  await before
  const after = rowsOf(engine, 'db', 'SELECT count(*) FROM t').then(note('read after'))
  const failure = engine.execute('db', { statements: [{ sql: 'INSERT INTO t VALUES (1, 2)' }] }).catch(note('failure'))
  await eventually('the log syncs', () => waiting.length > 0)
  await eventually('all have run', () => engine.get('db')?.waiting === 3)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(answered, ['read before'])
  isOpen = true
  for (const resolve of waiting) resolve()
  await Promise.all([write, after, failure])
  assert.deepEqual(answered.toSorted(), ['failure', 'read after', 'read before', 'write'])
})

test('a full disk refuses writes with the reason, reads go on, and writes come back with the room', async () => {
  const disk = createForgetfulDisk()
  await using world = await engineWorld({ files: disk.view(), folder: '/data' })
  const engine = world.engine()
  await withTable(engine, 'db')
  for (let value = 0; value < 10; value++) await engine.execute('db', insert(value))
  disk.capacityBytes = 300_000
  const large = { statements: [{ sql: 'INSERT INTO t (value) VALUES (randomblob(300000))' }] }
  const calls = await Promise.allSettled([engine.execute('db', large), engine.execute('db', insert(11)), engine.query('db', { sql: 'SELECT count(*) FROM t' })])
  assert.ok(calls.slice(0, 2).every((one) => one.status === 'rejected' && isError('DISK_FULL')(one.reason)))
  assert.deepEqual(calls[2]?.status === 'fulfilled' && (calls[2].value as Awaited<ReturnType<Engine['query']>>).result.rows, [[10]], 'a read sees what is durable')
  await assert.rejects(engine.execute('db', insert(12)), isError('DISK_FULL'))
  assert.match(engine.get('db')?.writesRefused ?? '', /full/)
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[10]])
  disk.capacityBytes = 10_000_000
  await eventually('writes are taken again', () => engine.execute('db', insert(13)).then(() => true, () => false))
  assert.equal(engine.get('db')?.writesRefused, undefined)
  assert.deepEqual(await rowsOf(await world.restart(), 'db', 'SELECT value FROM t WHERE id > 9'), [[9], [13]])
})

test('a snapshot is taken while reads and writes go on, and the log before it goes', async () => {
  await using world = await engineWorld({ limits: { snapshotEveryBytes: 200_000, historyMs: 0 } })
  const engine = world.engine()
  await withTable(engine, 'db')
  const blob = { sql: 'INSERT INTO t (value) VALUES (randomblob(20000))' }
  for (let round = 0; engine.counts().snapshots < 4; round++) {
    const [, , { result }] = await Promise.all([
      engine.execute('db', { statements: [blob] }),
      engine.execute('db', { statements: [{ sql: 'UPDATE t SET value = randomblob(20000) WHERE id = (SELECT max(id) FROM t) - 3' }, { sql: 'DELETE FROM t WHERE id < (SELECT max(id) FROM t) - 20' }] }),
      engine.query('db', { sql: 'SELECT count(*) FROM t' }),
    ])
    assert.ok(Number(result.rows[0]?.[0]) > 0)
    assert.ok(round < 2000, 'snapshots are taken')
  }
  const file = await fileOf(engine, 'db')
  await eventually('the first segment is gone', async () => !(await readdir(join(world.folder, 'db'))).some((name) => name.startsWith('0000000000000001-')))
  assert.ok((engine.get('db')?.oldestRestorable?.record ?? 0) > 1)
  assert.ok((await fileOf(await world.restart(), 'db')).equals(file))
})

test('a backup is the state of one moment, and can be put back', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await withTable(engine, 'db', 'copy')
  await engine.execute('db', { statements: [{ sql: 'INSERT INTO t (value) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT randomblob(1000) FROM n' }] })
  const { content, sizeBytes } = await engine.backup('db')
  const parts: Uint8Array[] = []
  for await (const part of content) {
    parts.push(part)
    await engine.execute('db', { statements: [{ sql: 'UPDATE t SET value = 1' }] })
  }
  assert.ok(parts.length > 1)
  assert.equal(Buffer.concat(parts).length, sizeBytes)
  assert.equal((await engine.restore('copy', one(Buffer.concat(parts)))).sizeBytes, sizeBytes)
  for (const restart of [() => Promise.resolve(engine), () => world.restart()]) {
    const now = await restart()
    assert.deepEqual(await rowsOf(now, 'copy', 'SELECT count(*), min(length(value)) FROM t'), [[3000, 1000]])
    assert.deepEqual(await rowsOf(now, 'copy', 'SELECT * FROM pragma_integrity_check'), [['ok']])
  }
  await assert.rejects(world.engine().restore('copy', one(Buffer.from('no database at all, but long enough to look like one'.repeat(20)))), isError('INVALID'))
  const broken = Buffer.concat(parts)
  broken.fill(7, 5000, 9000)
  await assert.rejects(world.engine().restore('copy', one(broken)), isError('INVALID'))
  assert.deepEqual(await rowsOf(world.engine(), 'copy', 'SELECT count(*), min(length(value)) FROM t'), [[3000, 1000]])
  await world.engine().execute('copy', insert('more'))
})

test('backups whose readers leave before the first bytes take no place from others', async () => {
  await using world = await engineWorld()
  await withTable(world.engine(), 'db')
  for (let i = 0; i < 20; i++) {
    const { content } = await world.engine().backup('db')
    await content[Symbol.asyncIterator]().return?.()
  }
})

test('each earlier state can be restored, by its number and by its time, and so can what was there before that', async () => {
  let now = 1000
  await using world = await engineWorld({ ...inMemory(), limits: { snapshotEveryBytes: 20_000 }, nowMs: () => now })
  const engine = world.engine()
  await withTable(engine, 'db')
  const states: Buffer[] = []
  for (let value = 1; value <= 60; value++) {
    now = value * 1000
    const { record } = await engine.execute('db', { statements: [{ sql: 'INSERT INTO t (value) VALUES (randomblob(700))' }] })
    states[record] = await fileOf(engine, 'db')
  }
  await eventually('there are snapshots', () => engine.counts().snapshots > 0)
  for (const record of [61, 30, 2, 45]) {
    assert.deepEqual((await engine.restoreTo('db', { record })).sizeBytes, states[record]?.length)
    assert.ok((await fileOf(engine, 'db')).equals(states[record] ?? Buffer.alloc(0)), `record ${record}`)
  }
  await engine.restoreTo('db', { timeMs: 10_500 })
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[10]])
  await assert.rejects(engine.restoreTo('db', { record: 9999 }), isError('NOT_FOUND'))
  const after = await fileOf(engine, 'db')
  assert.ok((await fileOf(await world.restart(), 'db')).equals(after))
})

cases('a damaged log is told and not served, others are, and a restore brings it back', [{ name: 'to an earlier record', isUpload: false }, { name: 'from a backup', isUpload: true }], async ({ isUpload }) => {
  await using world = await engineWorld({ limits: { snapshotEveryBytes: 1e9 } })
  await withTable(world.engine(), 'db', 'other')
  for (let value = 0; value < 30; value++) await world.engine().execute('db', insert(value))
  const backup = await fileOf(world.engine(), 'db')
  await world.engine().stop()
  const folder = join(world.folder, 'db')
  const [log = ''] = await readdir(folder)
  const content = await readFile(join(folder, log))
  content[Math.floor(content.length * 0.95)] = (content[Math.floor(content.length * 0.95)] ?? 0) ^ 1
  await writeFile(join(folder, log), content)
  const engine = await world.restart(true)
  await assert.rejects(rowsOf(engine, 'db', 'SELECT 1'), (error) => isError('DAMAGED')(error) && /restore/.test(String(error)))
  await assert.rejects(engine.execute('db', insert(1)), isError('DAMAGED'))
  assert.equal(engine.get('db')?.state, 'damaged')
  assert.match(engine.get('db')?.problem ?? '', /restore/)
  assert.deepEqual(await rowsOf(engine, 'other', 'SELECT count(*) FROM t'), [[0]])
  await assert.rejects(engine.restoreTo('db', { record: 31 }), isError('NOT_FOUND'))
  if (isUpload) {
    await assert.rejects(engine.restore('db', one(Buffer.from('no database'))), isError('INVALID'))
    await engine.restore('db', one(backup))
  } else {
    await engine.restoreTo('db', { record: 12 })
  }
  const rows = isUpload ? 30 : 11
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[rows]])
  await engine.execute('db', insert('new'))
  assert.deepEqual(await rowsOf(await world.restart(), 'db', 'SELECT count(*) FROM t'), [[rows + 1]])
  assert.ok((await readdir(folder)).some((name) => name.endsWith('.aside')), 'what was damaged is kept')
})

test('a database that nobody asks is closed, and opened by the next call, however often they meet', async () => {
  await using world = await engineWorld({ ...inMemory(), idleMs: 4 })
  const engine = world.engine()
  await withTable(engine, 'db')
  for (let value = 1; value <= 10; value++) {
    await engine.execute('db', insert(value))
    if (value % 2 === 0) await eventually('it is closed', () => engine.get('db')?.state === 'closed')
    assert.deepEqual(await rowsOf(engine, 'db', 'SELECT count(*) FROM t'), [[value]])
  }
})

test('a database survives a power cut from the moment it is created', async () => {
  const disk = createForgetfulDisk()
  await using world = await engineWorld({ files: disk.view(), folder: '/data' })
  await world.engine().create('empty')
  await withTable(world.engine(), 'db')
  await world.engine().execute('db', insert(1))
  await using after = await engineWorld({ files: disk.survivors('nothing').view(), folder: '/data' })
  assert.deepEqual(after.engine().list().map(({ name }) => name), ['db', 'empty'])
  assert.deepEqual(await rowsOf(after.engine(), 'db', 'SELECT value FROM t'), [[1]])
})

cases('a snapshot that cannot be read is told, and the one before it and a longer log do', [
  { name: 'a bit in its content', change: (content: Buffer) => content.fill(content[5000] === 1 ? 2 : 1, 5000, 5001) },
  { name: 'half of it', change: (content: Buffer) => content.subarray(0, content.length / 2) },
  { name: 'nothing of it', change: () => Buffer.alloc(0) },
], async ({ change }) => {
  const disk = createForgetfulDisk()
  await using world = await engineWorld({ files: disk.view(), folder: '/data', limits: { snapshotEveryBytes: 30_000, historyMs: 0 } })
  await withTable(world.engine(), 'db')
  await world.engine().execute('db', insert(1))
  while (world.engine().counts().snapshots < 4) await world.engine().execute('db', { statements: [{ sql: 'UPDATE t SET value = randomblob(3000)' }] })
  const file = await fileOf(world.engine(), 'db')
  await world.engine().stop()
  disk.damage(disk.paths().filter((path) => path.endsWith('.snapshot')).at(-1) ?? '', change)
  assert.ok((await fileOf(await world.restart(true), 'db')).equals(file))
})

test('a removed database is gone, and another one may have its name', async () => {
  await using world = await engineWorld()
  await withTable(world.engine(), 'db')
  await world.engine().remove('db')
  await assert.rejects(rowsOf(world.engine(), 'db', 'SELECT 1'), isError('NOT_FOUND'))
  await assert.rejects(world.engine().remove('db'), isError('NOT_FOUND'))
  await world.engine().create('db')
  assert.deepEqual(await rowsOf(await world.restart(), 'db', 'SELECT count(*) FROM sqlite_schema'), [[0]])
})

test('a migration runs once, as a whole, and must stay as it was', async () => {
  await using world = await engineWorld()
  const engine = world.engine()
  await engine.create('db')
  const first = { id: '1', sql: 'CREATE TABLE a (x); -- and\nINSERT INTO a VALUES (\'; not an end\');' }
  const second = { id: '2', sql: 'ALTER TABLE a ADD COLUMN y DEFAULT 5' }
  const { applied, skipped } = await engine.migrate('db', [first])
  assert.deepEqual([applied, skipped], [['1'], []])
  assert.deepEqual((await engine.migrate('db', [first, second])).applied, ['2'])
  assert.deepEqual(await rowsOf(engine, 'db', 'SELECT * FROM a'), [['; not an end', 5]])
  await assert.rejects(engine.migrate('db', [{ ...first, sql: 'CREATE TABLE a (x)' }]), isError('CONFLICT'))
  await assert.rejects(engine.migrate('db', [first, second, { id: '3', sql: 'CREATE TABLE b (x); INSERT INTO c VALUES (1)' }]), (error) => isError('SQL')(error) && /"3", statement 2/.test(String(error)))
  await assert.rejects(engine.migrate('db', [{ id: '4', sql: 'COMMIT; DROP TABLE a' }]), isError('NOT_ACCEPTED'))
  assert.deepEqual(await rowsOf(await world.restart(), 'db', `SELECT name FROM sqlite_schema WHERE name IN ('a', 'b')`), [['a']])
})

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}

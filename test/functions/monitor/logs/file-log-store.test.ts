import * as assert from 'node:assert/strict'
import { mkdir, mkdtemp, open, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFileLogStore } from '../../../../functions/monitor/logs/file-log-store.ts'
import { eventually, test } from '../../../kit.ts'
import { refuse } from '../refusing-disk.ts'
import { find, lineAt, logStoreContract, type OpenStore } from './log-store-contract.ts'

const DAY_MS = 86_400_000
const limits = { blockBytes: 2000, blockMs: 3_600_000, syncMs: 100, retentionMs: 3 * DAY_MS, maxBytes: 2 ** 30, maxBlocks: 10_000 }

type Place = AsyncDisposable & { readonly folder: string; readonly troubles: unknown[]; open(more?: Partial<typeof limits>, nowMs?: () => number): Promise<OpenStore> }

async function createPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-lines-'))
  const troubles: unknown[] = []
  return {
    folder, troubles,
    async open(more = {}, nowMs = Date.now) {
      const store = createFileLogStore({ folder, limits: { ...limits, ...more }, nowMs, onTrouble: (error) => troubles.push(error) })
      await store.open()
      return { store, [Symbol.asyncDispose]: () => store.close() }
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true })
      assert.deepEqual(troubles, [])
    },
  }
}

for (const [name, blockBytes] of [['files, many blocks', 2000], ['files, only a tail', 2 ** 20]] as const) {
  logStoreContract(name, async () => {
    const place = await createPlace()
    const { store } = await place.open({ blockBytes })
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store.close()
        await place[Symbol.asyncDispose]()
      },
    }
  })
}

test('what was there is there after a restart, with its places, its keys and how far each replica was read', async () => {
  await using place = await createPlace()
  const first = await place.open()
  for (let i = 0; i < 300; i++) await first.store.append([lineAt(i, { nth: 1, timeMs: 1000 + i, instance: `r${i % 5}` })], `key-${i}`)
  const before = (await find(first.store, {})).map(({ position, line }) => [position, line.text])
  const cursors = first.store.cursors('f1', 'openfaas-fn')
  await first.store.close()
  await using second = await place.open()
  assert.deepEqual((await find(second.store, {})).map(({ position, line }) => [position, line.text]), before)
  assert.deepEqual(new Map(second.store.cursors('f1', 'openfaas-fn')), new Map(cursors))
  for (const key of ['key-0', 'key-150', 'key-299']) assert.equal(await second.store.append([lineAt(0)], key), 'known')
  await second.store.append([lineAt(1000)])
  assert.equal((await find(second.store, {})).length, 301)
})

test('a record that was torn by a kill is cut off, and those before it are there', async () => {
  await using place = await createPlace()
  const first = await place.open({ blockBytes: 2 ** 20 })
  for (let i = 0; i < 10; i++) await first.store.append([lineAt(i)])
  await first.store.close()
  const [tail = ''] = (await readdir(place.folder)).filter((name) => name.endsWith('.tail'))
  const bytes = await readFile(join(place.folder, tail))
  // A power cut leaves zeros where the length of a file was written and its content was not.
  for (const torn of [bytes.subarray(0, bytes.length - 3), Buffer.concat([bytes, Buffer.from([200, 0, 0, 0, 1])]), Buffer.concat([bytes, Buffer.alloc(4096)])]) {
    for (const name of await readdir(place.folder)) await rm(join(place.folder, name))
    await writeFile(join(place.folder, tail), torn)
    const again = await place.open({ blockBytes: 2 ** 20 })
    assert.equal((await find(again.store, {})).length, torn.length < bytes.length ? 9 : 10)
    await again.store.append([lineAt(77)])
    await again.store.close()
    const third = await place.open({ blockBytes: 2 ** 20 })
    assert.equal((await find(third.store, { text: '"line 77"' })).length, 1)
    await third.store.close()
  }
})

test('a block that was torn is made again of its tail; one that was finished is not doubled by a tail that is still there', async () => {
  await using place = await createPlace()
  const first = await place.open({ blockBytes: 2 ** 20 })
  for (let i = 0; i < 50; i++) await first.store.append([lineAt(i)])
  await first.store.close()
  const tails = new Map<string, Buffer>()
  for (const name of await readdir(place.folder)) tails.set(name, await readFile(join(place.folder, name)))
  const second = await place.open()
  await second.store.close()
  const [segment = ''] = (await readdir(place.folder)).filter((name) => name.endsWith('.blocks'))
  const { size } = await stat(join(place.folder, segment))
  for (const keep of [size, size - 1, size - 40, 10]) {
    const cut = await open(join(place.folder, segment), 'r+')
    await cut.truncate(keep)
    await cut.close()
    for (const [name, bytes] of tails) await writeFile(join(place.folder, name), bytes)
    await using again = await place.open()
    assert.equal((await find(again.store, {})).length, 50, `${keep} of ${size} bytes`)
  }
})

test('a damaged block is left out and counted, those before and after it are read', async () => {
  await using place = await createPlace()
  const first = await place.open()
  for (let i = 0; i < 300; i += 20) await first.store.append(Array.from({ length: 20 }, (_, j) => lineAt(i + j)))
  await first.store.close()
  await (await place.open()).store.close()
  const [segment = ''] = (await readdir(place.folder)).filter((name) => name.endsWith('.blocks'))
  const bytes = await readFile(join(place.folder, segment))
  bytes.fill(0xff, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 30)
  await writeFile(join(place.folder, segment), bytes)
  await using again = await place.open()
  const found = await find(again.store, {})
  assert.ok(found.length >= 220 && found.length < 300, String(found.length))
  assert.equal(again.store.stats().damaged, 1)
  assert.deepEqual([found.some(({ line }) => line.text.includes('plain 0 ')), found.some(({ line }) => line.text.includes('"line 299"'))], [true, true])
})

test('a call is searched for also where the index of a block cannot be read', async () => {
  await using place = await createPlace()
  const first = await place.open({ blockBytes: 2 ** 20 })
  for (let i = 0; i < 40; i++) await first.store.append([lineAt(i)])
  await first.store.close()
  await using again = await place.open()
  assert.equal(again.store.stats().blocks, 1)
  let reads = 0
  using _disk = await refuse('read', () => ++reads === 1)
  assert.equal((await find(again.store, { call: 'call-7' })).length, 2)
})

test('how far a replica was read is what it was, also where the clock of the board went back a day', async () => {
  await using place = await createPlace()
  const nowMs = Date.parse('2026-03-02T12:00:00Z')
  for (const [i, dayMs] of [0, DAY_MS].entries()) {
    const { store } = await place.open({ blockBytes: 1 }, () => nowMs - dayMs)
    await store.append([lineAt(0, { nth: 1, timeMs: 1000 + i, instance: 'r' })])
    await eventually('it is a block', () => store.stats().blocks === i + 1)
    await store.close()
  }
  await using again = await place.open({}, () => nowMs)
  assert.deepEqual([...again.store.cursors('f0', 'other')], [['r', { timeMs: 1001, nth: 1 }]])
})

test('days that are too old go, and the oldest go when all together are too large', async () => {
  await using place = await createPlace()
  let nowMs = Date.parse('2026-03-01T12:00:00Z')
  for (let day = 0; day < 6; day++, nowMs += DAY_MS) {
    const open = await place.open({}, () => nowMs)
    for (let i = 0; i < 40; i++) await open.store.append([lineAt(i, { timeMs: nowMs, nth: 1, instance: `day${day}` })])
    await open.store.close()
  }
  await using again = await place.open({}, () => nowMs)
  const days = new Set((await find(again.store, {})).map(({ line }) => line.instance))
  // What was written last on a day may lie in the segment of the next.
  assert.deepEqual([...days].filter((day) => day !== 'day2').toSorted(), ['day3', 'day4', 'day5'])
  assert.equal(again.store.cursors('f0', 'openfaas-fn').has('day0'), true, 'how far a replica was read outlives its lines')

  await using small = await createPlace()
  await using bounded = await small.open({ maxBytes: 100_000 })
  // 256 KiB is the smallest segment: it takes several to be over the limit.
  for (let i = 0; i < 12; i++) await bounded.store.append(Array.from({ length: 1500 }, (_, j) => lineAt(i * 1500 + j, { text: Array.from({ length: 12 }, () => Math.random().toString(36)).join('') })))
  await eventually('the oldest are gone', () => bounded.store.stats().diskBytes < 700_000 && bounded.store.stats().lines < 18_000)
})

test('however little is in a block, there are so many of them at most', async () => {
  await using place = await createPlace()
  await using bounded = await place.open({ blockBytes: 1, maxBlocks: 32 })
  for (let i = 0; i < 200; i++) await bounded.store.append([lineAt(i)])
  await eventually('the oldest are gone', () => bounded.store.stats().blocks <= 34)
  assert.equal((await find(bounded.store, {}, 'desc')).at(0)?.line.text, lineAt(199).text)
})

test('while no new tail can be begun, lines go on into the old one; nothing is lost and nothing is doubled', async () => {
  const place = await createPlace()
  const blocked = await place.open()
  await blocked.store.append([lineAt(0)])
  const [tail = ''] = (await readdir(place.folder)).filter((name) => name.endsWith('.tail'))
  const inTheWay = join(place.folder, `${String(Number.parseInt(tail) + 1).padStart(12, '0')}.tail`)
  await mkdir(inTheWay)
  for (let i = 1; i < 100; i++) await blocked.store.append([lineAt(i)])
  assert.ok(place.troubles.length > 0)
  assert.equal(blocked.store.stats().blocks, 0)
  await rmdir(inTheWay)
  place.troubles.length = 0
  for (let i = 100; i < 110; i++) await blocked.store.append([lineAt(i)])
  await eventually('blocks are made again', () => blocked.store.stats().blocks > 0)
  assert.equal((await find(blocked.store, {})).length, 110)
  await blocked.store.close()
  const again = await place.open()
  assert.equal((await find(again.store, {})).length, 110)
  await again.store.close()
  await place[Symbol.asyncDispose]()
})

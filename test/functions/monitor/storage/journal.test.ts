import * as assert from 'node:assert/strict'
import { appendFile, copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Codec, createJournal, type Journal } from '../../../../functions/monitor/storage/journal.ts'
import { eventually, test } from '../../../kit.ts'
import { refuse } from '../refusing-disk.ts'

const DAY_MS = 86_400_000
const NOON_MS = Date.UTC(2026, 5, 10, 12)
const limits = { blockBytes: 2 ** 20, blockMs: DAY_MS, syncMs: 100, retentionMs: 14 * DAY_MS, maxBytes: 2 ** 30, maxBlocks: 1000 }

const codec: Codec<string, readonly string[]> = {
  toRecord: (items) => Buffer.from(JSON.stringify(items)),
  fromRecord: (record) => JSON.parse(record.toString()),
  seal: (items) => ({ meta: items, index: Buffer.alloc(0), body: Buffer.from(JSON.stringify(items)) }),
  parseMeta: (value) => Array.isArray(value) ? value.map(String) : [],
  shrink: (meta) => meta,
}

type Words = Journal<string, readonly string[]>
type Place = AsyncDisposable & { readonly folder: string; readonly troubles: unknown[]; open(nowMs?: number): Promise<Words> }

async function createPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-journal-'))
  const troubles: unknown[] = []
  return {
    folder, troubles,
    async open(nowMs = NOON_MS) {
      const journal = createJournal({ folder, codec, limits, nowMs: () => nowMs, onTrouble: (error) => troubles.push(error) })
      await journal.open()
      return journal
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

const wordsOf = (journal: Words): readonly string[] => [...journal.blocks().flatMap(({ head }) => head.meta), ...journal.batches().flatMap(({ items }) => items)]
const reasonOf = (error: unknown): string => error instanceof Error && 'code' in error ? String(error.code) : String(error)

test('what is sent again with its key while the first is being written has the outcome of the first', async () => {
  await using place = await createPlace()
  const journal = await place.open()
  let writes = 0
  const disk = await refuse('appendFile', () => ++writes === 2)
  // Both wait until the first is written, and are written together.
  const other = journal.append(['other'])
  const answers = await Promise.all([journal.append(['mine'], 'k').catch(reasonOf), journal.append(['mine'], 'k').catch(reasonOf)])
  disk[Symbol.dispose]()
  await other
  assert.deepEqual(answers, ['ENOSPC', 'ENOSPC'])
  assert.notEqual(await journal.append(['mine'], 'k'), 'known')
  assert.deepEqual(wordsOf(journal), ['other', 'mine'])
  await journal.close()
})

test('a clock that goes back a day neither doubles nor loses: blocks are in the order in which they were made', async () => {
  await using place = await createPlace()
  await using elsewhere = await createPlace()
  const first = await place.open()
  await first.append(['one'])
  await first.seal()
  await first.close()
  const second = await place.open(NOON_MS - DAY_MS)
  await second.append(['two'])
  const tail = (await readdir(place.folder)).filter((name) => name.endsWith('.tail')).sort().at(-1) ?? ''
  await copyFile(join(place.folder, tail), join(elsewhere.folder, tail))
  await second.seal()
  await second.close()
  // As a kill between the block and the end of its tail leaves it.
  await copyFile(join(elsewhere.folder, tail), join(place.folder, tail))
  const third = await place.open()
  assert.deepEqual(wordsOf(third), ['one', 'two'])
  await third.append(['three'])
  await third.seal()
  await third.close()
  const fourth = await place.open()
  assert.deepEqual(wordsOf(fourth), ['one', 'two', 'three'])
  await fourth.close()
})

test('a torn end is cut off in any segment that may be written to again', async () => {
  await using place = await createPlace()
  for (const [word, nowMs] of [['one', NOON_MS - DAY_MS], ['two', NOON_MS]] as const) {
    const journal = await place.open(nowMs)
    await journal.append([word])
    await journal.seal()
    await journal.close()
  }
  const [older = ''] = (await readdir(place.folder)).filter((name) => name.endsWith('.blocks')).sort()
  const block = await readFile(join(place.folder, older))
  await appendFile(join(place.folder, older), block.subarray(0, -3))
  const torn = await place.open(NOON_MS - DAY_MS)
  await torn.append(['three'])
  await torn.seal()
  await torn.close()
  const again = await place.open()
  assert.deepEqual([wordsOf(again), again.stats().damaged], [['one', 'two', 'three'], 0])
  await again.close()
})

test('a tail is brought to the disk also while no block can be made of it, and again when that failed', async () => {
  await using place = await createPlace()
  let [syncs, isFull] = [0, true]
  using _blocks = await refuse('writeFile', () => isFull)
  using _syncs = await refuse('datasync', () => ++syncs === 1)
  const journal = createJournal({ folder: place.folder, codec, limits, nowMs: Date.now, onTrouble: () => undefined })
  await journal.open()
  await journal.append(['one'])
  await assert.rejects(journal.seal(), /ENOSPC/)
  await journal.append(['two'])
  await eventually('both tails are, after one failure', () => syncs >= 3)
  isFull = false
  await journal.close()
})

/**
 * What was written lately lies as it came in a file of its own, the tail; when that is large or old enough it becomes one compressed
 * block of a segment, and the file goes. So an item is on its way to the disk before its writer is answered, while the card sees few and
 * large writes: a tail that lives shorter than the kernel keeps dirty pages never reaches it. Tails have numbers, and a block says which
 * one it was made of: a kill between the two neither loses nor doubles anything.
 */
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { type Head, parseHead } from './block-head.ts'
import { frameOf } from './frames.ts'
import type { JournalLimits } from './journal-limits.ts'
import { createSegments, type SegmentBlock } from './segments.ts'
import { partsOf, recordOf } from './tail-record.ts'
import { createTails } from './tails.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

export type Codec<Item, Meta> = {
  toRecord(items: readonly Item[]): Buffer
  fromRecord(record: Buffer): readonly Item[]
  /** `isFirst`: it begins a segment, and must say what earlier segments said that counts for ever. */
  seal(items: readonly Item[], isFirst: boolean): { readonly meta: Meta; readonly index: Buffer; readonly body: Buffer }
  /** Throws for what `seal` never made. */
  parseMeta(value: unknown): Meta
  /** What stays in memory of it, for as long as there is the block. */
  shrink(meta: Meta): Meta
}

/** The number of the tail, and the first item's place in it. */
export type Place = { readonly number: number; readonly first: number }
export type Block<Meta> = SegmentBlock<Head<Meta>>
/** Not yet a block. */
export type Batch<Item> = { readonly number: number; readonly items: Item[]; readonly keys: string[]; bytes: number; readonly bornMs: number }

export type Journal<Item, Meta> = {
  /** What is there is told: each block while its meta is whole, in no sure order, then what is in none yet. */
  open(on?: { block(meta: Meta): void; items(items: readonly Item[]): void }): Promise<void>
  /** Resolves when the items are in the tail's file, with where; a `key` that was there before changes nothing and answers `known`. */
  append(items: readonly Item[], key?: string): Promise<Place | 'known'>
  /** In the order in which they were made. */
  blocks(): readonly Block<Meta>[]
  batches(): readonly Batch<Item>[]
  /** `undefined` when it cannot be read. */
  readIndex(block: Block<Meta>): Promise<Buffer | undefined>
  /** `undefined` for what is damaged or gone by now. */
  readBody(block: Block<Meta>): Promise<Buffer | undefined>
  /** Makes a block of the tail now. */
  seal(): Promise<void>
  close(): Promise<void>
  stats(): { readonly diskBytes: number; readonly tailBytes: number; readonly blocks: number; readonly damaged: number; readonly writes: number }
}

export type JournalDeps<Item, Meta> = {
  readonly folder: string
  readonly codec: Codec<Item, Meta>
  readonly limits: JournalLimits
  readonly nowMs: () => number
  /** A disk that is full, for example: the items stay in the tail and it is tried again. */
  readonly onTrouble: (error: unknown) => void
}

type Waiting<Item> = {
  readonly items: readonly Item[]
  readonly key: string | undefined
  readonly resolve: (answer: Place | 'known') => void
  readonly reject: (error: unknown) => void
}

/** Lower ones are faster, higher ones gain little on log lines. */
const ZSTD_LEVEL = 3
/** Tails that wait to become blocks; then whoever writes waits too. */
const MAX_SEALING = 4
/** Keys that are remembered. */
const MAX_KEYS = 10_000
/** Of the size and the blocks allowed, one segment: so much goes at once when it is full. */
const SEGMENT_SHARE = 16
const LEAST_SEGMENT_BYTES = 256 * 1024
const TICK_MS = 1000

export function createJournal<Item, Meta>({ folder, codec, limits, nowMs, onTrouble }: JournalDeps<Item, Meta>): Journal<Item, Meta> {
  const segments = createSegments<Head<Meta>>({
    folder, segmentBytes: Math.max(LEAST_SEGMENT_BYTES, limits.maxBytes / SEGMENT_SHARE), segmentBlocks: limits.maxBlocks / SEGMENT_SHARE,
    parseHead: (value) => parseHead(value, codec.parseMeta),
  })
  const tails = createTails(folder)
  let blocks: Block<Meta>[] = []
  /** One for each tail; the last one is written to. */
  let batches: Batch<Item>[] = []
  let waiting: Waiting<Item>[] = []
  let writing: Promise<void> | undefined
  let sealing: Promise<void> | undefined
  let ticking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let lastSyncMs = 0
  let writes = 0
  const keys = new Set<string>()

  const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  const remember = (key: string): void => {
    keys.add(key)
    for (const first of keys) {
      if (keys.size <= MAX_KEYS) break
      keys.delete(first)
    }
  }
  /** Its keys are remembered by now, as far as any are. */
  const shrunk = ({ head, ...place }: Block<Meta>): Block<Meta> => ({ ...place, head: { ...head, keys: [], meta: codec.shrink(head.meta) } })
  const current = (): Batch<Item> => {
    const batch = batches.at(-1)
    if (batch === undefined) throw new Error('the journal is not open')
    return batch
  }
  const begin = async (number: number): Promise<void> => {
    await tails.begin(number)
    batches.push({ number, items: [], keys: [], bytes: 0, bornMs: nowMs() })
  }

  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const taken = waiting
      waiting = []
      try {
        while (batches.length > MAX_SEALING) await sealAll()
      } catch (error) {
        for (const { reject } of taken) reject(error)
        continue
      }
      const fresh: Waiting<Item>[] = []
      /** Their first is among the fresh: what becomes of it becomes of them. */
      const again: Waiting<Item>[] = []
      const seen = new Set<string>()
      for (const one of taken) {
        if (one.key === undefined) fresh.push(one)
        else if (keys.has(one.key)) one.resolve('known')
        else if (seen.has(one.key)) again.push(one)
        else {
          seen.add(one.key)
          fresh.push(one)
        }
      }
      if (fresh.length === 0) continue
      const batch = current()
      try {
        const bytes = Buffer.concat(fresh.map(({ items, key = '' }) => frameOf(recordOf(key, codec.toRecord(items)))))
        await tails.append(bytes)
        batch.bytes += bytes.length
        writes++
        for (const { items, key, resolve } of fresh) {
          const first = batch.items.length
          for (const item of items) batch.items.push(item)
          if (key !== undefined) {
            batch.keys.push(key)
            remember(key)
          }
          resolve({ number: batch.number, first })
        }
        for (const { resolve } of again) resolve('known')
      } catch (error) {
        for (const { reject } of [...fresh, ...again]) reject(error)
        continue
      }
      if (batch.bytes >= limits.blockBytes) await rotate()
    }
  }
  const rotate = async (): Promise<void> => {
    const batch = current()
    if (batch.items.length === 0) return
    await begin(batch.number + 1)
    void sealAll().catch(onTrouble)
  }

  /** Every batch but the last becomes a block, in order. */
  const sealAll = (): Promise<void> => sealing ??= (async () => {
    while (batches.length > 1) {
      const [batch] = batches
      if (batch === undefined) return
      const block = await toBlock(batch)
      if (block !== undefined) blocks.push(shrunk(block))
      batches = batches.slice(1)
      await tails.remove(batch.number)
    }
    await prune()
  })().finally(() => { sealing = undefined })

  const toBlock = async ({ number, items, keys: used, bytes }: Batch<Item>): Promise<Block<Meta> | undefined> => {
    if (items.length === 0) return undefined
    const day = dayOf(nowMs())
    const { meta, index, body } = codec.seal(items, segments.isFirst(day))
    const packed = await compress(body, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } })
    writes++
    return segments.append(day, { number, count: items.length, rawBytes: bytes, keys: used, meta }, index, packed)
  }
  const prune = async (): Promise<void> => {
    const removed = new Set(await segments.prune(dayOf(nowMs() - limits.retentionMs), limits.maxBytes, limits.maxBlocks))
    if (removed.size > 0) blocks = blocks.filter(({ segment }) => !removed.has(segment))
  }

  const tick = async (): Promise<void> => {
    const nowIs = nowMs()
    const batch = current()
    // First: it must not wait for what may fail on a full disk.
    if (Math.abs(nowIs - lastSyncMs) >= limits.syncMs) {
      await tails.sync()
      lastSyncMs = nowIs
    }
    if (batch.items.length > 0 && nowIs - batch.bornMs >= limits.blockMs && writing === undefined) await exclusively(rotate)
    // Those that failed before, and what has become too old.
    if (batches.length > 1) await sealAll()
  }
  /** Nothing is written meanwhile. */
  const exclusively = async (act: () => Promise<void>): Promise<void> => {
    while (writing !== undefined) await writing
    writing = act().finally(() => { writing = undefined })
    await writing
    kick()
  }
  const kick = (): void => {
    if (writing !== undefined || waiting.length === 0) return
    writing = write().catch(onTrouble).finally(() => {
      writing = undefined
      kick()
    })
  }

  return {
    async open(on) {
      blocks = await segments.open((block) => {
        block.head.keys.forEach(remember)
        on?.block(block.head.meta)
        return shrunk(block)
      })
      // Segments are named by days, and a board without a clock of its own may have been back in yesterday.
      blocks.sort(({ head: one }, { head: other }) => one.number - other.number)
      const done = blocks.at(-1)?.head.number ?? 0
      let last = done
      for (const number of await tails.list()) {
        last = Math.max(last, number)
        if (number <= done) await tails.remove(number)
        else batches.push(await readTail(number))
      }
      for (const { items } of batches) on?.items(items)
      await begin(last + 1)
      lastSyncMs = nowMs()
      timer = setInterval(() => { ticking ??= tick().catch(onTrouble).finally(() => { ticking = undefined }) }, TICK_MS)
      if (batches.length > 1) await sealAll().catch(onTrouble)
    },
    append(items, key) {
      const { promise, resolve, reject } = Promise.withResolvers<Place | 'known'>()
      waiting.push({ items, key, resolve, reject })
      kick()
      return promise
    },
    blocks: () => blocks,
    batches: () => batches,
    readIndex: (block) => segments.readIndex(block),
    async readBody(block) {
      const packed = await segments.readBody(block)
      return packed === undefined ? undefined : await decompress(packed)
    },
    async seal() {
      await exclusively(rotate)
      await sealAll()
    },
    async close() {
      clearInterval(timer)
      await ticking
      while (writing !== undefined) await writing
      await sealing?.catch(onTrouble)
      await tails.close()
    },
    stats: () => ({
      diskBytes: segments.sizeBytes() + batches.reduce((sum, { bytes }) => sum + bytes, 0),
      tailBytes: batches.reduce((sum, { bytes }) => sum + bytes, 0), blocks: blocks.length, damaged: segments.damaged(), writes,
    }),
  }

  async function readTail(number: number): Promise<Batch<Item>> {
    const { records, wholeBytes } = await tails.read(number)
    const batch: Batch<Item> = { number, items: [], keys: [], bytes: wholeBytes, bornMs: nowMs() }
    for (const record of records) {
      const { key, items } = partsOf(record)
      if (key !== '') {
        batch.keys.push(key)
        remember(key)
      }
      for (const item of codec.fromRecord(items)) batch.items.push(item)
    }
    return batch
  }
}

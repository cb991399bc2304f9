/**
 * Segments: files of blocks, at least one for each day, so that age and size are kept in bounds by removing whole files. Blocks are
 * only added at the end of the newest of the day that the clock says. A damaged block is left out and counted; a torn one at the end is
 * cut off.
 */
import { type FileHandle, mkdir, open, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFolders } from '@bramble/runtime/service/node-folders'
import { blockFrameOf, type BlockPlace, endOf, FIXED_BYTES, isBodyWhole, isHeadWhole, MAGIC, placeOf } from './block-frame.ts'

export type SegmentBlock<Head> = BlockPlace & { readonly segment: string; readonly head: Head }

export type Segments<Head> = {
  /** All blocks, in order of their segments; of each is kept what `keep` answers. */
  open(keep: (block: SegmentBlock<Head>) => SegmentBlock<Head>): Promise<SegmentBlock<Head>[]>
  /** Resolves when it is on the disk. */
  append(day: string, head: Head, index: Buffer, body: Buffer): Promise<SegmentBlock<Head>>
  /** Whether the next block of that day begins a segment. */
  isFirst(day: string): boolean
  /** `undefined` when it cannot be read. */
  readIndex(block: SegmentBlock<Head>): Promise<Buffer | undefined>
  /** `undefined` when it is damaged or its segment was removed. */
  readBody(block: SegmentBlock<Head>): Promise<Buffer | undefined>
  /** Removes the oldest segments until the rest is within all three; never the newest. Answers the names of those removed. */
  prune(oldestDay: string, maxBytes: number, maxBlocks: number): Promise<readonly string[]>
  sizeBytes(): number
  damaged(): number
}

export type SegmentsDeps<Head> = {
  readonly folder: string
  /** Where a day has more, it gets a further segment: the size is kept in steps of this. */
  readonly segmentBytes: number
  /** Where it has more blocks, too. */
  readonly segmentBlocks: number
  /** Throws for what is no head. */
  readonly parseHead: (value: unknown) => Head
}

const NAME = /^(\d{4}-\d\d-\d\d)\.(\d{4})\.blocks$/

export function createSegments<Head>({ folder, segmentBytes, segmentBlocks, parseHead }: SegmentsDeps<Head>): Segments<Head> {
  const sizes = new Map<string, number>()
  /** Blocks of each segment. */
  const counts = new Map<string, number>()
  let damaged = 0

  const count = ({ segment }: SegmentBlock<Head>): void => { counts.set(segment, (counts.get(segment) ?? 0) + 1) }
  const newestOf = (day: string): string | undefined => [...sizes.keys()].findLast((name) => name.startsWith(day))
  const nextName = (day: string): { readonly name: string; readonly isNew: boolean } => {
    const newest = newestOf(day)
    if (newest !== undefined && (sizes.get(newest) ?? 0) < segmentBytes && (counts.get(newest) ?? 0) < segmentBlocks) return { name: newest, isNew: false }
    const number = newest === undefined ? 0 : Number(NAME.exec(newest)?.[2] ?? 0) + 1
    return { name: `${day}.${String(number).padStart(4, '0')}.blocks`, isNew: true }
  }

  const scan = async (name: string, isNewest: boolean): Promise<readonly SegmentBlock<Head>[]> => {
    const path = join(folder, name)
    const blocks: SegmentBlock<Head>[] = []
    const file = await open(path, 'r')
    let at = 0
    try {
      const { size } = await file.stat()
      while (at < size) {
        const block = await blockAt(file, name, at, size)
        if (block !== undefined) {
          blocks.push(block)
          at = endOf(block)
          continue
        }
        const next = await nextMagic(file, at + 1, size)
        if (next === undefined) break
        damaged++
        at = next
      }
      sizes.set(name, size)
      const last = blocks.at(-1)
      if (last !== undefined && !isBodyWhole(last, await readPart(file, bodyOffset(last), last.bodyBytes))) {
        blocks.pop()
        at = last.offset
      }
      if (at >= size) return blocks
    } finally {
      await file.close()
    }
    // Any of them may be written to again where the clock goes back, and a torn block would hide what follows it.
    await truncate(path, at)
    sizes.set(name, at)
    if (!isNewest) damaged++
    return blocks
  }

  const blockAt = async (file: FileHandle, segment: string, offset: number, size: number): Promise<SegmentBlock<Head> | undefined> => {
    const fixed = await readPart(file, offset, FIXED_BYTES)
    const place = placeOf(fixed, offset)
    if (place === undefined || endOf(place) > size) return undefined
    const both = await readPart(file, offset + FIXED_BYTES, place.headBytes + place.indexBytes)
    const head = both.subarray(0, place.headBytes)
    if (!isHeadWhole(fixed, head, both.subarray(place.headBytes))) return undefined
    return { ...place, segment, head: parseHead(JSON.parse(head.toString())) }
  }

  const read = async (segment: string, offset: number, length: number): Promise<Buffer> => {
    const file = await open(join(folder, segment), 'r')
    try {
      return await readPart(file, offset, length)
    } finally {
      await file.close()
    }
  }

  return {
    async open(keep) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      sizes.clear()
      counts.clear()
      damaged = 0
      const names = (await readdir(folder)).filter((name) => NAME.test(name)).sort()
      const blocks: SegmentBlock<Head>[] = []
      for (const [i, name] of names.entries()) for (const block of await scan(name, i === names.length - 1)) {
        count(block)
        blocks.push(keep(block))
      }
      return blocks
    },

    isFirst: (day) => nextName(day).isNew,

    async append(day, head, index, body) {
      const { name, isNew } = nextName(day)
      const headBytes = Buffer.from(JSON.stringify(head))
      const frame = blockFrameOf(headBytes, index, body)
      const path = join(folder, name)
      const file = await open(path, 'a')
      const offset = isNew ? 0 : sizes.get(name) ?? 0
      try {
        await file.writeFile(frame)
        await file.datasync()
      } catch (error) {
        // A full disk: what was written of it must not lie between this block and the next.
        await file.truncate(offset).catch(() => undefined)
        throw error
      } finally {
        await file.close()
      }
      if (isNew) await nodeFolders.syncFolder(folder)
      sizes.set(name, offset + frame.length)
      const place = placeOf(frame, offset)
      if (place === undefined) throw new Error('a block that was just made is one')
      const block = { ...place, segment: name, head }
      count(block)
      return block
    },

    async readIndex(block) {
      const index = await read(block.segment, block.offset + FIXED_BYTES + block.headBytes, block.indexBytes).catch(() => undefined)
      return index?.length === block.indexBytes ? index : undefined
    },

    async readBody(block) {
      if (!sizes.has(block.segment)) return undefined
      const body = await read(block.segment, bodyOffset(block), block.bodyBytes).catch(() => undefined)
      if (body !== undefined && isBodyWhole(block, body)) return body
      damaged++
      return undefined
    },

    async prune(oldestDay, maxBytes, maxBlocks) {
      const removed: string[] = []
      let [bytes, blocks] = [sumOf(sizes), sumOf(counts)]
      for (const name of [...sizes.keys()].slice(0, -1)) {
        if (name.slice(0, oldestDay.length) >= oldestDay && bytes <= maxBytes && blocks <= maxBlocks) break
        await rm(join(folder, name), { force: true })
        bytes -= sizes.get(name) ?? 0
        blocks -= counts.get(name) ?? 0
        sizes.delete(name)
        counts.delete(name)
        removed.push(name)
      }
      return removed
    },

    sizeBytes: () => sumOf(sizes),
    damaged: () => damaged,
  }
}

function sumOf(sizes: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const size of sizes.values()) sum += size
  return sum
}

function bodyOffset({ offset, headBytes, indexBytes }: BlockPlace): number {
  return offset + FIXED_BYTES + headBytes + indexBytes
}

async function readPart(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

const SEARCH_BYTES = 2 ** 20

/** Where something begins that may be a block. */
async function nextMagic(file: FileHandle, from: number, size: number): Promise<number | undefined> {
  for (let at = from; at < size; at += SEARCH_BYTES) {
    const found = (await readPart(file, at, Math.min(SEARCH_BYTES + MAGIC.length, size - at))).indexOf(MAGIC)
    if (found >= 0) return at + found
  }
  return undefined
}

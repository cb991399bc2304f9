/**
 * A database file in memory. It notes what each write changes; and it can be looked at as it was at one moment while it goes on
 * changing, at the price of the pages that change meanwhile.
 */
import { createChangeWriter, readChanges } from './changes.ts'

/** SQLite's page, so that one write touches one page here. */
export const PAGE_BYTES = 4096
/** Memory is taken in pieces of this size: growing copies nothing, and doubles nothing. */
const PAGES_PER_SLAB = 256
/** Changed words this near to each other become one piece: a head costs as much. */
const MERGE_WORDS = 2
const WORD_BYTES = 4

export type FileView = {
  readonly size: number
  /** A copy of up to `length` bytes, which this view then gives back: each part can be read once, from the front on. */
  read(length: number): Uint8Array<ArrayBuffer>
  close(): void
}

export type PagedFile = {
  size(): number
  /** Fills `target` from `offset` on; answers how many bytes there were. */
  read(target: Uint8Array, offset: number): number
  /** Noted in the changes. */
  write(source: Uint8Array, offset: number): void
  truncate(size: number): void
  /** How much is noted. */
  changedBytes(): number
  /** What was changed since the last time; `undefined`: nothing. */
  takeChanges(): Uint8Array<ArrayBuffer> | undefined
  dropChanges(): void
  /** Changes of another time; not noted. */
  apply(changes: Uint8Array): void
  /** The file as it is now. */
  view(): FileView
  /** Of memory taken. */
  memoryBytes(): number
}

export function createPagedFile(): PagedFile {
  const slabs: Uint8Array[] = []
  const free: number[] = []
  /** Page → slot in the slabs. */
  let table: number[] = []
  /** How often a slot is used: by the file itself and by views of it. */
  let uses = new Uint8Array(0)
  let fileSize = 0
  const noted = createChangeWriter()

  const slotBytes = (slot: number): Uint8Array => {
    const slab = slabs[Math.floor(slot / PAGES_PER_SLAB)]
    if (slab === undefined) throw new RangeError(`there is no slot ${slot}`)
    const start = slot % PAGES_PER_SLAB * PAGE_BYTES
    return slab.subarray(start, start + PAGE_BYTES)
  }
  const take = (): number => {
    if (free.length === 0) {
      const first = slabs.length * PAGES_PER_SLAB
      slabs.push(new Uint8Array(PAGES_PER_SLAB * PAGE_BYTES))
      const more = new Uint8Array(first + PAGES_PER_SLAB)
      more.set(uses)
      uses = more
      for (let slot = first + PAGES_PER_SLAB - 1; slot >= first; slot--) free.push(slot)
    }
    const slot = free.pop() ?? 0
    uses[slot] = 1
    return slot
  }
  const giveBack = (slot: number): void => {
    uses[slot] = (uses[slot] ?? 1) - 1
    if (uses[slot] === 0) free.push(slot)
  }
  /** The page's bytes, to be written: its own, not shared with a view. */
  const own = (page: number): Uint8Array => {
    while (table.length <= page) {
      const slot = take()
      slotBytes(slot).fill(0)
      table.push(slot)
    }
    const slot = table[page] ?? 0
    if ((uses[slot] ?? 1) === 1) return slotBytes(slot)
    const copy = take()
    const bytes = slotBytes(copy)
    bytes.set(slotBytes(slot))
    giveBack(slot)
    table[page] = copy
    return bytes
  }
  /** Puts bytes in their pages, and tells of each part what was there before. */
  const put = (source: Uint8Array, offset: number, before?: (part: Uint8Array, current: Uint8Array, at: number) => void): void => {
    for (let done = 0; done < source.length;) {
      const at = offset + done
      const inPage = at % PAGE_BYTES
      const length = Math.min(PAGE_BYTES - inPage, source.length - done)
      const part = source.subarray(done, done + length)
      const target = own(Math.floor(at / PAGE_BYTES)).subarray(inPage, inPage + length)
      before?.(part, target, at)
      target.set(part)
      done += length
    }
    fileSize = Math.max(fileSize, offset + source.length)
  }
  const cut = (size: number): void => {
    if (size > fileSize) put(new Uint8Array(size - fileSize), fileSize)
    const pages = Math.ceil(size / PAGE_BYTES)
    for (const slot of table.splice(pages)) giveBack(slot)
    // What lies behind the end counts as zero when the file grows again.
    if (size < fileSize && size % PAGE_BYTES !== 0) own(pages - 1).fill(0, size % PAGE_BYTES)
    fileSize = size
  }
  const note = (part: Uint8Array, current: Uint8Array, at: number): void => {
    const isNew = at + part.length > fileSize
    if (isNew || (part.byteOffset | current.byteOffset | part.length) % WORD_BYTES !== 0) noted.piece(at, part)
    else noteWords(part, current, (from, to) => noted.piece(at + from, part.subarray(from, to)))
  }

  return {
    size: () => fileSize,
    read(target, offset) {
      const length = Math.max(0, Math.min(target.length, fileSize - offset))
      for (let done = 0; done < length;) {
        const at = offset + done
        const inPage = at % PAGE_BYTES
        const count = Math.min(PAGE_BYTES - inPage, length - done)
        target.set(slotBytes(table[Math.floor(at / PAGE_BYTES)] ?? 0).subarray(inPage, inPage + count), done)
        done += count
      }
      return length
    },
    write: (source, offset) => put(source, offset, note),
    truncate(size) {
      if (size === fileSize) return
      noted.cut(size)
      cut(size)
    },
    changedBytes: () => noted.bytes,
    takeChanges: () => noted.bytes === 0 ? undefined : noted.take(),
    dropChanges: () => noted.clear(),
    apply: (changes) => readChanges(changes, { piece: (offset, bytes) => put(bytes, offset), cut }),
    view() {
      const size = fileSize
      const slots = [...table]
      for (const slot of slots) uses[slot] = (uses[slot] ?? 0) + 1
      let at = 0
      let next = 0
      const release = (): void => giveBack(slots[next++] ?? 0)
      return {
        size,
        read(length) {
          const pages = Math.min(slots.length - next, Math.ceil(length / PAGE_BYTES))
          const bytes = new Uint8Array(Math.min(pages * PAGE_BYTES, size - at))
          for (let done = 0; done < bytes.length; done += PAGE_BYTES) {
            bytes.set(slotBytes(slots[next] ?? 0).subarray(0, Math.min(PAGE_BYTES, bytes.length - done)), done)
            release()
          }
          at += bytes.length
          return bytes
        },
        close() { while (next < slots.length) release() },
      }
    },
    memoryBytes: () => slabs.length * PAGES_PER_SLAB * PAGE_BYTES,
  }
}

/** Where two pages differ, in words: `found(from, to)` in bytes. */
function noteWords(part: Uint8Array, current: Uint8Array, found: (from: number, to: number) => void): void {
  const now = new Int32Array(part.buffer, part.byteOffset, part.length / WORD_BYTES)
  const old = new Int32Array(current.buffer, current.byteOffset, current.length / WORD_BYTES)
  let from = -1
  let last = -1
  for (let word = 0; word < now.length; word++) {
    if (now[word] === old[word]) continue
    if (from >= 0 && word - last > MERGE_WORDS) {
      found(from * WORD_BYTES, (last + 1) * WORD_BYTES)
      from = -1
    }
    if (from < 0) from = word
    last = word
  }
  if (from >= 0) found(from * WORD_BYTES, (last + 1) * WORD_BYTES)
}

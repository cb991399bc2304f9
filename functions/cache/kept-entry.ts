/** An entry as this process keeps it, and what it costs in memory. */
import type { Draft, Entry } from './store.ts'

export type Space = {
  readonly name: string
  readonly entries: Map<string, KeptEntry>
  /** Made with the first tag. */
  tags: Map<string, Set<KeptEntry>> | undefined
}

export type KeptEntry = {
  readonly space: Space
  readonly key: string
  /** Small values are texts of one byte a character: a Buffer would cost 300 bytes more than its content. */
  value: string | Buffer
  contentType: string
  version: number
  /** Milliseconds of the store's clock; Infinity without an end. */
  freshUntilMs: number
  staleMs: number
  tags: readonly string[]
  /** Neighbours in the order of use. */
  older: KeptEntry | undefined
  newer: KeptEntry | undefined
}

/** Above it a Buffer of its own costs less than 8 % more, and lies where the garbage collector need not copy it. */
const TEXT_VALUE_BYTES = 4096
/**
 * What V8 needs besides the texts, rounded up from what was measured (Node 26, x64: `test/functions/cache/memory-cost.test.ts` keeps
 * them honest): the object with its two numbers and a half-full table's slot; the heads of the texts of key and value.
 */
const ENTRY_BYTES = 288
const BUFFER_BYTES = 320
/** A name in the list of tags, and the set that finds the entry by it. */
const TAG_BYTES = 360
/** Its tables, also when there is one key in them. */
const SPACE_BYTES = 640
/** Types that many entries have are kept once; each pays for its own all the same. */
export const MAX_SHARED_TYPES = 256

export function costOf({ key, value, contentType, tags }: Pick<KeptEntry, 'key' | 'value' | 'contentType' | 'tags'>): number {
  let bytes = ENTRY_BYTES + textBytes(key) + contentType.length + (typeof value === 'string' ? value.length : BUFFER_BYTES + value.length)
  for (const tag of tags) bytes += TAG_BYTES + 2 * textBytes(tag)
  return bytes
}

export function costOfSpace({ name }: Pick<Space, 'name'>): number {
  return SPACE_BYTES + textBytes(name)
}

/** V8 keeps a text with one byte a character, or with two when it must. */
function textBytes(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return 2 * text.length
  return text.length
}

export function keptValue({ value }: Draft): string | Buffer {
  if (value.length <= TEXT_VALUE_BYTES) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1')
  // The bytes alone: a view of a larger buffer would keep all of it.
  if (value instanceof Buffer && value.buffer.byteLength === value.length) return value
  const own = Buffer.allocUnsafeSlow(value.length)
  own.set(value)
  return own
}

export function shownEntry(kept: KeptEntry, version: string, nowMs: number): Entry {
  return {
    value: typeof kept.value === 'string' ? Buffer.from(kept.value, 'latin1') : kept.value,
    contentType: kept.contentType,
    version,
    freshForMs: kept.freshUntilMs === Infinity ? undefined : kept.freshUntilMs - nowMs,
    staleMs: kept.staleMs,
    tags: kept.tags,
  }
}

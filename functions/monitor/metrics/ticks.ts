/**
 * All samples of one moment as bytes: only what has changed since the moment before. A series that stays as it is takes none. The
 * first of a chain says everything. Pure.
 */
import { createReader, createWriter } from '../storage/varint.ts'
import type { Sample } from './series.ts'

export type TickEncoder = {
  /** `isFirst` begins a new chain. */
  encode(timeMs: number, samples: Iterable<Sample>, isFirst: boolean): Buffer
}

/** What a chain says at the moment that was read last. */
export type TickState = {
  timeMs: number
  readonly keys: string[]
  readonly values: number[]
  /** Whether there was a sample. */
  readonly present: boolean[]
}

const FIRST = 1
const FURTHER = 0

export function createTickEncoder(): TickEncoder {
  let state = emptyState()
  let ids = new Map<string, number>()
  return {
    encode(timeMs, samples, isFirst) {
      if (isFirst) {
        state = emptyState()
        ids = new Map()
      }
      const { keys, values, present } = state
      const now = new Set<number>()
      const changed: (readonly [number, number])[] = []
      const known = keys.length
      for (const { key, value } of samples) {
        let id = ids.get(key)
        if (id === undefined) {
          ids.set(key, id = keys.length)
          keys.push(key)
          values.push(0)
          present.push(false)
        }
        if (now.has(id)) continue
        now.add(id)
        if (!present[id] || values[id] !== value) changed.push([id, value])
      }
      const gone = present.flatMap((isThere, id) => isThere && !now.has(id) ? [id] : [])
      const writer = createWriter()
      writer.byte(isFirst ? FIRST : FURTHER)
      writer.uint(timeMs)
      writer.uint(keys.length - known)
      for (const key of keys.slice(known)) writer.text(key)
      writer.uint(changed.length)
      let before = 0
      for (const [id, value] of changed.sort(([one], [other]) => one - other)) {
        writer.uint(id - before)
        before = id
        const last = values[id] ?? 0
        if (isShort(value) && isShort(last)) {
          writer.uint(zigzag(value - last) + 1)
        } else {
          writer.uint(0)
          writer.float(value)
        }
        values[id] = value
        present[id] = true
      }
      writer.uint(gone.length)
      before = 0
      for (const id of gone) {
        writer.uint(id - before)
        before = id
        present[id] = false
      }
      return Buffer.from(writer.finish())
    },
  }
}

export function emptyState(): TickState {
  return { timeMs: 0, keys: [], values: [], present: [] }
}

export function isFirstTick(tick: Buffer): boolean {
  return tick[0] === FIRST
}

export function timeOfTick(tick: Buffer): number {
  const reader = createReader(tick)
  reader.byte()
  return reader.uint()
}

/** Brings `state` to the moment of `tick`; a first one begins it anew. Throws `RangeError` for what is none. */
export function applyTick(state: TickState, tick: Buffer): void {
  const reader = createReader(tick)
  if (reader.byte() === FIRST) for (const column of [state.keys, state.values, state.present]) column.length = 0
  state.timeMs = reader.uint()
  for (let left = reader.uint(); left > 0; left--) {
    state.keys.push(reader.text())
    state.values.push(0)
    state.present.push(false)
  }
  let id = 0
  for (let left = reader.uint(); left > 0; left--) {
    id += reader.uint()
    const code = reader.uint()
    state.values[id] = code === 0 ? reader.float() : (state.values[id] ?? 0) + unzigzag(code - 1)
    state.present[id] = true
  }
  id = 0
  for (let left = reader.uint(); left > 0; left--) {
    id += reader.uint()
    state.present[id] = false
  }
}

/** Whole, and small enough that differences are exact. */
function isShort(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 50 && !Object.is(value, -0)
}

function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2
}

function unzigzag(code: number): number {
  return code % 2 === 0 ? code / 2 : -(code + 1) / 2
}

/**
 * Lines as bytes: in the tail one after the other, in a block as columns, so that a search reads times, levels and sources as numbers and
 * looks for a text in one piece of memory. Pure.
 */
import type { Codec } from '../storage/journal.ts'
import { createReader, createWriter } from '../storage/varint.ts'
import { bloomOf } from './bloom.ts'
import { createCursors, type CursorRow, type Cursors } from './cursors.ts'
import { callIdOf, fieldsOf, type Line } from './line.ts'

/** Function, namespace, replica. */
export type Source = readonly [string, string, string]

export type BlockMeta = {
  readonly fromMs: number
  readonly toMs: number
  /** A bit for each level that is there. */
  readonly levels: number
  readonly sources: readonly Source[]
  /** Of its own sources; the first block of a segment has all there are. Counts once, at the start: empty in memory. */
  readonly cursors: readonly CursorRow[]
}

export type Columns = {
  readonly count: number
  readonly times: Float64Array
  readonly sources: Uint32Array
  readonly levels: Uint8Array
  /** Where each text begins; one more for the end of the last. */
  readonly starts: Uint32Array
  readonly texts: Buffer
}

/** Of thousands of blocks most have the same sources. */
const MAX_SHARED_SOURCES = 10_000

/** `cursors` learns of every line that is sealed. */
export function createLineCodec(cursors: Cursors): Codec<Line, BlockMeta> {
  const shared = new Map<string, Source>()
  const share = (source: Source): Source => {
    const key = source.join('\n')
    const known = shared.get(key)
    if (known !== undefined) return known
    if (shared.size >= MAX_SHARED_SOURCES) shared.clear()
    shared.set(key, source)
    return source
  }
  return {
    toRecord(lines) {
      const writer = createWriter()
      for (const { timeMs, functionName, namespace, instance, level, nth, text } of lines) {
        writer.uint(timeMs)
        writer.byte(level)
        writer.uint(nth)
        for (const part of [functionName, namespace, instance, text]) writer.text(part)
      }
      return writer.finish()
    },
    fromRecord(record) {
      const reader = createReader(record)
      const lines: Line[] = []
      while (!reader.isAtEnd()) {
        const [timeMs, level, nth] = [reader.uint(), reader.byte(), reader.uint()]
        const [functionName, namespace, instance] = [reader.text(), reader.text(), reader.text()]
        lines.push({ timeMs, level, nth, functionName, namespace, instance, text: reader.text() })
      }
      return lines
    },
    seal(lines, isFirst) {
      const sources = new Map<string, number>()
      const list: Source[] = []
      const calls = new Set<string>()
      const own = createCursors()
      const [times, places, lengths, texts] = [createWriter(), createWriter(), createWriter(), createWriter()]
      const levels = Buffer.alloc(lines.length)
      let [fromMs, toMs, levelBits, beforeMs] = [Infinity, -Infinity, 0, 0]
      for (const [i, line] of lines.entries()) {
        const { timeMs, functionName, namespace, instance, level, text } = line
        times.int(timeMs - beforeMs)
        beforeMs = timeMs
        fromMs = Math.min(fromMs, timeMs)
        toMs = Math.max(toMs, timeMs)
        const key = `${functionName}\n${namespace}\n${instance}`
        let place = sources.get(key)
        if (place === undefined) {
          sources.set(key, place = list.length)
          list.push([functionName, namespace, instance])
        }
        places.uint(place)
        levels[i] = level
        levelBits |= 1 << level
        const bytes = Buffer.from(text)
        lengths.uint(bytes.length)
        texts.bytes(bytes)
        const call = callIdOf(fieldsOf(text))
        if (call !== undefined) calls.add(call)
        own.note(line)
        cursors.note(line)
      }
      const head = createWriter()
      head.uint(lines.length)
      const parts = [times, places, lengths].map((one) => one.finish())
      for (const part of parts) head.uint(part.length)
      return {
        meta: { fromMs, toMs, levels: levelBits, sources: list, cursors: (isFirst ? cursors : own).all() },
        index: bloomOf(calls),
        body: Buffer.concat([head.finish(), ...parts, levels, texts.finish()]),
      }
    },
    parseMeta,
    shrink: ({ fromMs, toMs, levels, sources }) => ({ fromMs, toMs, levels, sources: sources.map(share), cursors: [] }),
  }
}

/** Throws for what `seal` never made. */
export function columnsOf(body: Buffer): Columns {
  const reader = createReader(body)
  const count = reader.uint()
  const [timesBytes, placesBytes, lengthsBytes] = [reader.uint(), reader.uint(), reader.uint()]
  const [timesPart, placesPart, lengthsPart] = [timesBytes, placesBytes, lengthsBytes].map((length) => createReader(reader.bytes(length)))
  if (timesPart === undefined || placesPart === undefined || lengthsPart === undefined) throw new Error('three parts are three')
  const levels = reader.bytes(count)
  const [times, sources, starts] = [new Float64Array(count), new Uint32Array(count), new Uint32Array(count + 1)]
  let [timeMs, at] = [0, 0]
  for (let i = 0; i < count; i++) {
    times[i] = timeMs += timesPart.int()
    sources[i] = placesPart.uint()
    at += lengthsPart.uint()
    starts[i + 1] = at
  }
  return { count, times, sources, levels, starts, texts: reader.bytes(at) }
}

function parseMeta(value: unknown): BlockMeta {
  const bad = (): Error => new Error('this is no head of a block of lines')
  if (typeof value !== 'object' || value === null || !('fromMs' in value) || !('toMs' in value) || !('levels' in value) || !('sources' in value) || !('cursors' in value)) throw bad()
  const { fromMs, toMs, levels, sources, cursors } = value
  if (typeof fromMs !== 'number' || typeof toMs !== 'number' || typeof levels !== 'number' || !Array.isArray(sources) || !Array.isArray(cursors)) throw bad()
  return {
    fromMs, toMs, levels,
    sources: sources.map((one: unknown): Source => {
      const [functionName, namespace, instance] = Array.isArray(one) ? one.map(String) : []
      if (functionName === undefined || namespace === undefined || instance === undefined) throw bad()
      return [functionName, namespace, instance]
    }),
    cursors: cursors.map((one: unknown): CursorRow => {
      const row: readonly unknown[] = Array.isArray(one) ? one : []
      const [functionName, namespace, instance, timeMs, nth] = row
      if (typeof timeMs !== 'number' || typeof nth !== 'number') throw bad()
      return [String(functionName), String(namespace), String(instance), timeMs, nth]
    }),
  }
}

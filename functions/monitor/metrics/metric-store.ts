/**
 * Samples over time: moments in a journal, each of them what has changed since the one before. Those that it does not take, or all where
 * there is no folder, are in memory, the last ones.
 */
import { createJournal, type Codec } from '../storage/journal.ts'
import type { JournalLimits } from '../storage/journal-limits.ts'
import { createReader, createWriter } from '../storage/varint.ts'
import type { Sample } from './series.ts'
import { applyTick, createTickEncoder, emptyState, isFirstTick, timeOfTick } from './ticks.ts'

export type SeriesPoints = { readonly key: string; readonly times: number[]; readonly values: number[] }

export type MetricStore = {
  open(): Promise<void>
  /** All samples of a moment. One moment after the other. Rejects when the disk does not take them; then they are in memory alone. */
  append(timeMs: number, samples: readonly Sample[]): Promise<void>
  /** The points in [fromMs, toMs] of the series that `isWanted`; throws `TooManyPoints`. */
  select(isWanted: (key: string) => boolean, fromMs: number, toMs: number, signal: AbortSignal): Promise<readonly SeriesPoints[]>
  /** The samples of the last moment. */
  last(): { readonly timeMs: number; readonly samples: readonly Sample[] }
  stats(): { readonly diskBytes: number; readonly blocks: number; readonly writes: number; readonly damaged: number }
  close(): Promise<void>
}

export class TooManyPoints extends Error {
  constructor() {
    super(`more than ${MAX_POINTS} points would have to be looked at`)
    this.name = 'TooManyPoints'
  }
}

export type MetricStoreDeps = {
  /** Empty: in memory. */
  readonly folder: string
  readonly limits: JournalLimits
  readonly memoryBytes: number
  readonly nowMs: () => number
  readonly onTrouble: (error: unknown) => void
}

/** Sixteen bytes each, and more while they are computed with. */
const MAX_POINTS = 2_000_000

type Meta = { readonly fromMs: number; readonly toMs: number }
/** Moments that hang together; the first says everything. One in the middle that does, too, begins anew. */
type Chain = { readonly fromMs: number; readonly toMs: number; readonly read: () => Promise<readonly Buffer[]> }

export function createMetricStore({ folder, limits, memoryBytes, nowMs, onTrouble }: MetricStoreDeps): MetricStore {
  const journal = folder === '' ? undefined : createJournal({ folder, codec, limits, nowMs, onTrouble })
  const encoder = createTickEncoder()
  const memoryEncoder = createTickEncoder()
  const memory: Buffer[][] = []
  /** The encoder is a moment ahead of the journal, which did not take it: what has changed since is no use. */
  let isAhead = false
  let last: { timeMs: number; samples: readonly Sample[] } = { timeMs: 0, samples: [] }

  const appendToMemory = (timeMs: number, samples: readonly Sample[]): void => {
    const chain = memory.at(-1)
    const isFirst = chain === undefined || chain.length >= MEMORY_CHAIN
    const tick = memoryEncoder.encode(timeMs, samples, isFirst)
    if (isFirst) memory.push([tick])
    else chain.push(tick)
    while (memory.length > 1 && memory.flat().reduce((sum, { length }) => sum + length, 0) > memoryBytes) memory.shift()
  }
  const chains = (): readonly Chain[] => {
    if (journal === undefined) return memory.map(chainOf)
    return [
      ...memory.map(chainOf),
      ...journal.blocks().map((block): Chain => ({ ...block.head.meta, read: async () => ticksIn(await journal.readBody(block)) })),
      ...journal.batches().filter(({ items }) => items.length > 0).map(({ items }) => chainOf(items)),
    ]
  }

  return {
    async open() {
      await journal?.open()
      const newest = chains().at(-1)
      if (newest === undefined) return
      const state = emptyState()
      for (const tick of inChain(await newest.read())) applyTick(state, tick)
      last = { timeMs: state.timeMs, samples: state.keys.flatMap((key, i) => state.present[i] ? [{ key, value: state.values[i] ?? 0 }] : []) }
    },
    async append(timeMs, samples) {
      last = { timeMs, samples }
      if (journal === undefined) return appendToMemory(timeMs, samples)
      const isFirst = isAhead || (journal.batches().at(-1)?.items.length ?? 0) === 0
      isAhead = true
      try {
        const place = await journal.append([encoder.encode(timeMs, samples, isFirst)])
        // A new tail was begun in between: without a beginning its chain could not be read.
        if (place !== 'known' && place.first === 0 && !isFirst) await journal.append([encoder.encode(timeMs, samples, true)])
        isAhead = false
      } catch (error) {
        // Rules go on being looked at, the one about a full disk first of all.
        appendToMemory(timeMs, samples)
        throw error
      }
    },
    async select(isWanted, fromMs, toMs, signal) {
      const found = new Map<string, SeriesPoints>()
      let points = 0
      for (const chain of chains().filter((one) => one.toMs >= fromMs && one.fromMs <= toMs)) {
        signal.throwIfAborted()
        const state = emptyState()
        const wanted: { readonly id: number; readonly series: SeriesPoints }[] = []
        let looked = 0
        for (const tick of inChain(await chain.read())) {
          applyTick(state, tick)
          if (isFirstTick(tick)) [wanted.length, looked] = [0, 0]
          for (; looked < state.keys.length; looked++) {
            const key = state.keys[looked] ?? ''
            if (!isWanted(key)) continue
            const series = found.get(key) ?? { key, times: [], values: [] }
            found.set(key, series)
            wanted.push({ id: looked, series })
          }
          if (state.timeMs < fromMs || state.timeMs > toMs) continue
          for (const { id, series } of wanted) {
            if (!state.present[id]) continue
            series.times.push(state.timeMs)
            series.values.push(state.values[id] ?? 0)
            points++
          }
          if (points > MAX_POINTS) throw new TooManyPoints()
        }
      }
      return Array.from(found.values(), inOrderOfTime).filter(({ times }) => times.length > 0)
    },
    last: () => last,
    stats: () => journal?.stats() ?? { diskBytes: 0, blocks: 0, writes: 0, damaged: 0 },
    close: async () => { await journal?.close() },
  }
}

/** Where the clock went back, or some are in memory alone, they were not kept in it. */
function inOrderOfTime(series: SeriesPoints): SeriesPoints {
  const { key, times, values } = series
  if (times.every((ms, i) => i === 0 || ms >= (times[i - 1] ?? 0))) return series
  const order = Array.from(times.keys()).sort((one, other) => (times[one] ?? 0) - (times[other] ?? 0))
  return { key, times: order.map((i) => times[i] ?? 0), values: order.map((i) => values[i] ?? 0) }
}

/** Moments in a chain of memory: an hour's. */
const MEMORY_CHAIN = 240

function chainOf(items: readonly Buffer[]): Chain {
  const copy = [...items]
  const [first, newest] = [copy[0], copy.at(-1)]
  return { fromMs: first ? timeOfTick(first) : 0, toMs: newest ? timeOfTick(newest) : 0, read: async () => copy }
}

/** From the first beginning on; without one nothing can be read. */
function inChain(ticks: readonly Buffer[]): readonly Buffer[] {
  const first = ticks.findIndex(isFirstTick)
  return first < 0 ? [] : ticks.slice(first)
}

function ticksIn(body: Buffer | undefined): readonly Buffer[] {
  if (body === undefined) return []
  const reader = createReader(body)
  const ticks: Buffer[] = []
  while (!reader.isAtEnd()) ticks.push(reader.bytes(reader.uint()))
  return ticks
}

const codec: Codec<Buffer, Meta> = {
  toRecord: joined,
  fromRecord: (record) => ticksIn(record).map((tick) => Buffer.from(tick)),
  seal(items) {
    const times = items.map(timeOfTick)
    return { meta: { fromMs: Math.min(...times), toMs: Math.max(...times) }, index: Buffer.alloc(0), body: joined(items) }
  },
  parseMeta(value) {
    if (typeof value === 'object' && value !== null && 'fromMs' in value && 'toMs' in value) {
      const { fromMs, toMs } = value
      if (typeof fromMs === 'number' && typeof toMs === 'number') return { fromMs, toMs }
    }
    throw new Error('this is no head of a block of samples')
  },
  shrink: (meta) => meta,
}

function joined(ticks: readonly Buffer[]): Buffer {
  const writer = createWriter()
  for (const tick of ticks) {
    writer.uint(tick.length)
    writer.bytes(tick)
  }
  return Buffer.from(writer.finish())
}

/** Lines in memory, the oldest go first: where there is no volume (stock OpenFaaS). A restart forgets all. */
import { createBestLines } from './best-lines.ts'
import { createCursors } from './cursors.ts'
import { comparePositions, type FoundLine, type Position } from './line.ts'
import { matches } from './log-filter.ts'
import type { LogStore } from './log-store.ts'

export type MemoryLogStoreDeps = { readonly maxBytes: number }

/** Of a line besides its text. */
const LINE_BYTES = 200
const MAX_KEYS = 10_000

export function createMemoryLogStore({ maxBytes }: MemoryLogStoreDeps): LogStore {
  const cursors = createCursors()
  const keys = new Set<string>()
  const listeners = new Set<(lines: readonly FoundLine[]) => void>()
  let lines: FoundLine[] = []
  let [bytes, rawBytes, next] = [0, 0, 0]
  const sizeOf = ({ line }: FoundLine): number => line.text.length * 2 + LINE_BYTES
  const drop = (): void => {
    if (bytes <= maxBytes) return
    // A tenth more than need be, so that it happens seldom.
    let count = 0
    for (; count < lines.length && bytes > maxBytes * 0.9; count++) {
      const one = lines[count]
      if (one === undefined) break
      bytes -= sizeOf(one)
      rawBytes -= one.line.text.length
    }
    lines = lines.slice(count)
  }
  return {
    open: async () => undefined,
    async append(fresh, key) {
      if (key !== undefined && keys.has(key)) return 'known'
      if (key !== undefined) keys.add(key)
      if (keys.size > MAX_KEYS) keys.delete(keys.keys().next().value ?? '')
      const found = fresh.map((line): FoundLine => ({ line, position: [0, next++] }))
      for (const one of found) {
        lines.push(one)
        bytes += sizeOf(one)
        rawBytes += one.line.text.length
        cursors.note(one.line)
      }
      drop()
      for (const listener of listeners) listener(found)
      return 'kept'
    },
    async find({ filter, order, limit, after, signal }) {
      signal.throwIfAborted()
      const best = createBestLines(order, limit, after)
      for (const one of lines) {
        const { line, position: [number, index] } = one
        if (best.isWanted(line.timeMs, number, index) && matches(filter, line)) best.add(one)
      }
      return best.list()
    },
    since: async (position, filter, limit) => lines.filter((one) => comparePositions(one.position, position) > 0 && matches(filter, one.line)).slice(-limit),
    end: (): Position => [0, next - 1],
    follow(listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    cursors: cursors.of,
    stats: () => ({ kind: 'memory', lines: lines.length, rawBytes, diskBytes: 0, blocks: 0, damaged: 0, writes: 0 }),
    close: async () => undefined,
  }
}

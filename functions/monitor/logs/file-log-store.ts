/** Lines in a journal on the volume. */
import { createJournal, type Block } from '../storage/journal.ts'
import type { JournalLimits } from '../storage/journal-limits.ts'
import { createBestLines } from './best-lines.ts'
import { mayHave } from './bloom.ts'
import { createCursors } from './cursors.ts'
import { comparePositions, type FoundLine, type Position } from './line.ts'
import { type BlockMeta, createLineCodec } from './line-codec.ts'
import { isOfFunction, type LogFilter, matches } from './log-filter.ts'
import type { LogStore } from './log-store.ts'
import { searchBlock } from './search-block.ts'

export type FileLogStoreDeps = {
  readonly folder: string
  readonly limits: JournalLimits
  readonly nowMs: () => number
  readonly onTrouble: (error: unknown) => void
}

export function createFileLogStore(deps: FileLogStoreDeps): LogStore {
  /** What the blocks say, and what all lines say. */
  const sealed = createCursors()
  const live = createCursors()
  const journal = createJournal({ ...deps, codec: createLineCodec(sealed) })
  const listeners = new Set<(lines: readonly FoundLine[]) => void>()

  const mayMatch = async (block: Block<BlockMeta>, filter: LogFilter): Promise<boolean> => {
    const { meta } = block.head
    if (meta.toMs < filter.sinceMs || meta.fromMs >= filter.untilMs) return false
    if (meta.levels >> filter.minLevel === 0) return false
    if (!meta.sources.some(([functionName, namespace]) => isOfFunction(filter, functionName, namespace))) return false
    if (filter.call === undefined) return true
    const index = await journal.readIndex(block)
    return index === undefined || mayHave(index, filter.call)
  }

  return {
    async open() {
      await journal.open({
        block({ cursors: rows }) {
          for (const [functionName, namespace, instance, timeMs, nth] of rows) {
            for (const cursors of [sealed, live]) cursors.note({ functionName, namespace, instance, timeMs, nth })
          }
        },
        items: (items) => items.forEach(live.note),
      })
    },

    async append(lines, key) {
      const place = await journal.append(lines, key)
      if (place === 'known') return place
      lines.forEach(live.note)
      if (listeners.size > 0) {
        const found = lines.map((line, i): FoundLine => ({ line, position: [place.number, place.first + i] }))
        for (const listener of listeners) listener(found)
      }
      return 'kept'
    },

    async find({ filter, order, limit, after, signal }) {
      const best = createBestLines(order, limit, after)
      // Both at one moment: what is a block later was a batch before.
      const blocks = [...journal.blocks()]
      for (const { number, items } of journal.batches()) {
        for (const [i, line] of items.entries()) {
          if (best.isWanted(line.timeMs, number, i) && matches(filter, line)) best.add({ line, position: [number, i] })
        }
      }
      blocks.sort(({ head: { meta: one } }, { head: { meta: other } }) => order === 'asc' ? one.fromMs - other.fromMs : other.toMs - one.toMs)
      const read = async (block: Block<BlockMeta> | undefined): Promise<Buffer | undefined> => {
        if (block === undefined || best.isBeyond(block.head.meta.fromMs, block.head.meta.toMs)) return undefined
        return await mayMatch(block, filter) ? await journal.readBody(block) : undefined
      }
      // The next one is read and unpacked while one is searched.
      let next = read(blocks[0])
      for (const [i, { head: { number, meta } }] of blocks.entries()) {
        signal.throwIfAborted()
        const body = await next
        next = read(blocks[i + 1])
        if (body === undefined || best.isBeyond(meta.fromMs, meta.toMs)) continue
        searchBlock(body, meta, filter, (timeMs, index) => best.isWanted(timeMs, number, index), (index, line) => best.add({ line, position: [number, index] }))
      }
      return best.list()
    },

    async since(position, filter, limit, signal) {
      const found: FoundLine[] = []
      const isLater = (number: number, index: number): boolean => comparePositions([number, index], position) > 0
      const batches = [...journal.batches()]
      for (const block of journal.blocks().filter(({ head }) => head.number >= position[0])) {
        signal.throwIfAborted()
        const { number, meta } = block.head
        const body = await mayMatch(block, filter) ? await journal.readBody(block) : undefined
        if (body === undefined) continue
        searchBlock(body, meta, filter, (_, i) => isLater(number, i), (i, line) => found.push({ line, position: [number, i] }))
        found.splice(0, found.length - limit)
      }
      for (const { number, items } of batches) {
        for (const [i, line] of items.entries()) if (isLater(number, i) && matches(filter, line)) found.push({ line, position: [number, i] })
      }
      return found.slice(-limit)
    },

    end(): Position {
      const last = journal.batches().at(-1)
      return last === undefined ? [0, 0] : [last.number, last.items.length - 1]
    },
    follow(listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    cursors: live.of,
    stats() {
      const { diskBytes, blocks, damaged, writes } = journal.stats()
      let [lines, rawBytes] = [0, 0]
      for (const { head } of journal.blocks()) {
        lines += head.count
        rawBytes += head.rawBytes
      }
      for (const { items, bytes } of journal.batches()) {
        lines += items.length
        rawBytes += bytes
      }
      return { kind: 'volume', lines, rawBytes, diskBytes, blocks, damaged, writes }
    },
    close: journal.close,
  }
}

/** The first lines in an order, out of many that come in any other: never more than are asked for. Pure. */
import { comparePositions, type FoundLine, type Position } from './line.ts'

export type Key = { readonly timeMs: number; readonly position: Position }

export type BestLines = {
  /** Whether a line with this key would be among them as it is now. */
  isWanted(timeMs: number, number: number, index: number): boolean
  add(found: FoundLine): void
  /** Of what lies between these times nothing can be among them any more. */
  isBeyond(fromMs: number, toMs: number): boolean
  list(): readonly FoundLine[]
}

export function createBestLines(order: 'asc' | 'desc', limit: number, after: Key | undefined): BestLines {
  const sign = order === 'asc' ? 1 : -1
  const compareKeys = (oneMs: number, one: Position, otherMs: number, other: Position): number =>
    sign * (oneMs - otherMs || comparePositions(one, other))
  const byOrder = (one: FoundLine, other: FoundLine): number => compareKeys(one.line.timeMs, one.position, other.line.timeMs, other.position)
  let kept: FoundLine[] = []
  let worst: FoundLine | undefined
  /** Sorted and cut only when there are twice as many: each line costs little. */
  const cut = (): void => {
    kept.sort(byOrder)
    kept = kept.slice(0, limit)
    worst = kept.length === limit ? kept.at(-1) : undefined
  }
  return {
    isWanted(timeMs, number, index) {
      const position: Position = [number, index]
      if (after !== undefined && compareKeys(timeMs, position, after.timeMs, after.position) <= 0) return false
      return worst === undefined || compareKeys(timeMs, position, worst.line.timeMs, worst.position) < 0
    },
    add(found) {
      kept.push(found)
      if (kept.length >= limit * 2) cut()
    },
    isBeyond(fromMs, toMs) {
      if (after !== undefined && (order === 'asc' ? toMs < after.timeMs : fromMs > after.timeMs)) return true
      if (kept.length >= limit) cut()
      if (worst === undefined) return false
      return order === 'asc' ? fromMs > worst.line.timeMs : toMs < worst.line.timeMs
    },
    list() {
      cut()
      return kept
    },
  }
}

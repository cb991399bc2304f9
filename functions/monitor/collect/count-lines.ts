/** Gives the lines of a function their numbers within their millisecond, and leaves out those that were there before. Pure. */
import type { Cursor } from '../logs/cursors.ts'
import type { Line } from '../logs/line.ts'

/** `known`: how far each replica had been read when this reading began. Answers `undefined` for a line from before that. */
export function createLineCounter(known: ReadonlyMap<string, Cursor>): (line: Line) => Line | undefined {
  const before = new Map(known)
  const now = new Map<string, Cursor>()
  return (line) => {
    const last = now.get(line.instance)
    const nth = last?.timeMs === line.timeMs ? last.nth + 1 : 1
    now.set(line.instance, { timeMs: line.timeMs, nth })
    const cursor = before.get(line.instance)
    if (cursor === undefined) return { ...line, nth }
    if (line.timeMs < cursor.timeMs || (line.timeMs === cursor.timeMs && nth <= cursor.nth)) return undefined
    // From here on all are new, even if the clock of the board goes back.
    before.delete(line.instance)
    return { ...line, nth }
  }
}

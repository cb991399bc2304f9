/** Lines of a block that a filter wants: numbers and bytes first, a line is made only of what may be one. Pure. */
import type { Line } from './line.ts'
import { type BlockMeta, columnsOf } from './line-codec.ts'
import { isOfFunction, isPlain, type LogFilter, matches } from './log-filter.ts'

/** Calls back with the index of each line that matches, in order, and how to make it. */
export function searchBlock(
  body: Buffer, { sources }: BlockMeta, filter: LogFilter, isWanted: (timeMs: number, index: number) => boolean, found: (index: number, line: Line) => void,
): void {
  const needle = needleOf(filter)
  if (needle !== undefined && !body.includes(needle)) return
  const columns = columnsOf(body)
  const { count, times, levels, starts, texts } = columns
  const isSource = sources.map(([functionName, namespace]) => isOfFunction(filter, functionName, namespace))
  let nextHit = needle === undefined ? 0 : texts.indexOf(needle)
  for (let i = 0; i < count; i++) {
    const [start, end] = [starts[i] ?? 0, starts[i + 1] ?? 0]
    if (needle !== undefined) {
      if (nextHit < 0) return
      if (nextHit >= end) continue
      // It may begin in this text and end in the next: `matches` looks again.
      nextHit = texts.indexOf(needle, end > nextHit + needle.length ? end : nextHit + 1)
    }
    const timeMs = times[i] ?? 0
    const source = columns.sources[i] ?? 0
    if (timeMs < filter.sinceMs || timeMs >= filter.untilMs || (levels[i] ?? 0) < filter.minLevel || isSource[source] !== true) continue
    if (!isWanted(timeMs, i)) continue
    const [functionName, namespace, instance] = sources[source] ?? ['', '', '']
    const line: Line = { timeMs, functionName, namespace, instance, level: levels[i] ?? 0, text: texts.toString('utf8', start, end), nth: 0 }
    if (matches(filter, line)) found(i, line)
  }
}

/** Bytes that each line must have; `undefined` when nothing is sure. */
function needleOf({ text, call, fields }: LogFilter): Buffer | undefined {
  if (call !== undefined && isPlain(call)) return Buffer.from(call)
  if (text !== undefined && text !== '') return Buffer.from(text)
  // Other values may be written in several ways in JSON.
  const plain = fields.find(([, value]) => isPlain(value) && !/^-?\d/.test(value))
  return plain && Buffer.from(plain[1])
}

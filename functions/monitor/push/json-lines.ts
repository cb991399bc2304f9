/** One JSON object per line. Pure. */
import { fieldsOf } from '../logs/line.ts'
import { checkJson, checkLines } from './push-size.ts'
import type { PushedLine } from './pushed-line.ts'

/** Throws a sentence for the first line that is none, `PushTooLarge` for what is too much. */
export function jsonLinesIn(text: string, nowMs: number): readonly PushedLine[] {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '')
  checkLines(lines.length)
  checkJson(text)
  return lines.map((line, i) => {
    const fields = fieldsOf(line)
    if (fields === undefined) throw new Error(`line ${i + 1} is not a JSON object`)
    return { timeMs: timeIn(fields, nowMs), functionName: textIn(fields, 'function') || textIn(fields, 'service'), instance: textIn(fields, 'instance') || textIn(fields, 'host'), text: line }
  })
}

function timeIn(fields: Readonly<Record<string, unknown>>, nowMs: number): number {
  const time = fields['time'] ?? fields['timestamp'] ?? fields['ts']
  if (time === undefined || time === null) return nowMs
  return typeof time === 'number' ? time : Date.parse(String(time))
}

function textIn(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}

/** Text on a terminal or in a file: lines, tables, and colours only where they are seen. */
import { stripVTControlCharacters, styleText } from 'node:util'
import type { Io } from './command.ts'

export type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold'

/** Data, one line. */
export function print(io: Io, line: string): void {
  io.stdout.write(`${line}\n`)
}

/** News for the person, one line. */
export function tell(io: Io, line: string): void {
  io.stderr.write(`${line}\n`)
}

/** Colours for stderr, or for stdout; plain where nobody sees them, or `NO_COLOR` is set. */
export function paint(io: Io, style: Style, text: string, stream: 'stdout' | 'stderr' = 'stderr'): string {
  const isSeen = 'isTTY' in io[stream] && io[stream].isTTY === true && !io.env['NO_COLOR'] && io.env['TERM'] !== 'dumb'
  return isSeen ? styleText(style, text, { validateStream: false }) : text
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => lengthOf(row[column] ?? ''))))
  return rows.map((row) => row
    .map((cell, column) => column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - lengthOf(cell)))
    .join('  ').trimEnd()).join('\n')
}

function lengthOf(text: string): number {
  return stripVTControlCharacters(text).length
}

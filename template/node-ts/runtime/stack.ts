/**
 * Stack traces with TypeScript lines. Node's `--enable-source-maps` keeps every map in memory from the start; here
 * `index.mjs.map` is read when an error is to be printed, and may be collected afterwards.
 */
import type { SourceMap } from 'node:module'
import { builtin } from './builtin.ts'

const bundle = process.argv[1] ?? ''
let cached: WeakRef<SourceMap> | undefined
let isMissing = false

/** Any thrown value as text, with causes and own fields, its frames pointing at the sources. */
export function describeError(error: unknown): string {
  return withSourceLines(typeof error === 'string' ? error : builtin('node:util').inspect(error))
}

/** Replaces positions in the bundle by positions in the sources; text without any is returned as it is. */
export function withSourceLines(text: string): string {
  if (bundle === '' || !text.includes(bundle)) return text
  const map = loadMap()
  if (map === undefined) return text
  return text.replace(positions, (place, line: string, column: string) => {
    const origin = map.findOrigin(Number(line), Number(column))
    return 'fileName' in origin
      ? `${origin.fileName.replace(/^(\.\.?\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`
      : place
  })
}

const positions = new RegExp(`(?:file://)?${bundle.replace(/[^\w/]/g, '\\$&')}:(\\d+):(\\d+)`, 'g')

function loadMap(): SourceMap | undefined {
  const map = cached?.deref()
  if (map !== undefined || isMissing) return map
  try {
    const fresh = new (builtin('node:module').SourceMap)(JSON.parse(builtin('node:fs').readFileSync(`${bundle}.map`, 'utf8')))
    cached = new WeakRef(fresh)
    return fresh
  } catch {
    isMissing = true
    return undefined
  }
}

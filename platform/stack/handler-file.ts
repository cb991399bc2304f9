/** The file of a TypeScript function that exports its handler. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import type { StackFunction } from './parse-stack.ts'

/** In order of preference. */
export const HANDLER_FILES = ['handler.ts', 'handler.mts', 'handler.js', 'handler.mjs', 'handler.cjs'] as const

/** The language whose functions are bundled together with `@bramble/runtime`. */
export const BUNDLED_LANG = 'node-ts'

/** Absolute. `INVALID` when the folder has none. */
export function handlerFile(folder: string, one: StackFunction): string {
  const found = HANDLER_FILES.map((name) => join(folder, name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new BrambleError('INVALID', `${one.place}: ${one.handler ?? folder} has no ${HANDLER_FILES[0]}: ` +
    `create it with "export default …", or correct the handler of function ${one.name}`)
}

/** `export { name as default } from './file.ts'` in a handler file: what is passed on, and on which line. */
export function passedOnHandler(source: string): { readonly name: string; readonly from: string; readonly line: number } | undefined {
  const match = /^export\s*\{([^}]*\bdefault\b[^}]*)\}\s*from\s*["']([^"']+)["']/m.exec(source)
  if (!match?.[2]) return undefined
  const name = /(\w+)\s+as\s+default\b/.exec(match[1] ?? '')?.[1] ?? 'default'
  return { name, from: match[2], line: source.slice(0, match.index).split('\n').length }
}

/** SQLite as WebAssembly, compiled once for all threads. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { isAbsolute, join } from 'node:path'

let compiled: Promise<object> | undefined

export function sqliteModule(): Promise<object> {
  compiled ??= wasmFile().then((path) => readFile(path)).then((bytes) => WebAssembly.compile(bytes))
  return compiled
}

/** Beside the bundle, or in the package when the sources run as they are. */
async function wasmFile(): Promise<string> {
  if (import.meta.filename.endsWith('.ts')) return createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm')
  const { default: path } = await import('sql.js/dist/sql-wasm.wasm')
  return isAbsolute(path) ? path : join(import.meta.dirname, path)
}

/** Where Bramble itself lies: build.mjs, the templates and package.json, whether this runs from source or from `dist`. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BrambleError } from '../lib/errors.ts'

let found: string | undefined

export function projectRoot(): string {
  if (found !== undefined) return found
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'build.mjs')) && existsSync(join(folder, 'template'))) return found = folder
    if (dirname(folder) === folder) break
  }
  throw new BrambleError('NOT_FOUND', `build.mjs is not above ${import.meta.dirname}: run bramble from a clone of its repository`)
}

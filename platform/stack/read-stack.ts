/** Finds and reads a stack file. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { parseStack, type Stack } from './parse-stack.ts'
import type { Variables } from './substitute.ts'

/** In order of preference, as in faas-cli. */
const STACK_FILES = ['stack.yaml', 'stack.yml'] as const

/** Refuses to read what cannot be a stack file. */
const MAX_STACK_BYTES = 1_000_000

export type ReadStackOptions = {
  readonly cwd: string
  /** The file to read; absent means `stack.yaml` or `stack.yml` in `cwd`. */
  readonly file?: string | undefined
  /** What `${VAR}` stands for; absent switches substitution off. */
  readonly variables?: Variables | undefined
}

export type StackFile = Stack & {
  /** Absolute. */
  readonly path: string
  /** The folder of the file: what the paths in it are relative to. */
  readonly folder: string
  /** Where else they are looked for, as faas-cli does. */
  readonly cwd: string
}

/** The stack file of a folder, absolute. */
export function findStackFile(cwd: string): string | undefined {
  return STACK_FILES.map((name) => resolve(cwd, name)).find((path) => existsSync(path))
}

/** `NOT_FOUND` when there is no such file; `INVALID` with its place for anything wrong in it. */
export async function readStack({ cwd, file, variables }: ReadStackOptions): Promise<StackFile> {
  const path = file === undefined ? findStackFile(cwd) : resolve(cwd, file)
  if (path === undefined) {
    throw new BrambleError('NOT_FOUND',
      `there is no ${STACK_FILES.join(' or ')} in ${cwd}: go to the folder that has one, or name it with -f FILE`)
  }
  const shown = showPath(path, cwd)
  const text = await readFile(path).catch((cause: unknown) => {
    if (hasCode(cause, 'ENOENT')) throw new BrambleError('NOT_FOUND', `there is no stack file ${shown}`, { cause })
    throw new BrambleError('INVALID', `the stack file ${shown} cannot be read: ${reasonOf(cause)}`, { cause })
  })
  if (text.length > MAX_STACK_BYTES) throw new BrambleError('INVALID', `${shown} is too large for a stack file`)
  return { ...parseStack({ file: shown, text: text.toString('utf8'), variables }), path, folder: dirname(path), cwd }
}

/** A path in a stack file: beside the file, or else in the current folder if it is there. Absolute. */
export function resolveInStack(stack: Pick<StackFile, 'folder' | 'cwd'>, path: string): string {
  const beside = resolve(stack.folder, path)
  if (existsSync(beside)) return beside
  const here = resolve(stack.cwd, path)
  return existsSync(here) ? here : beside
}

/** Short and still usable: relative when it is inside `cwd`. */
export function showPath(path: string, cwd: string): string {
  const short = relative(cwd, path)
  return short && !short.startsWith('..') ? short : path
}

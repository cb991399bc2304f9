/** What a function is built from: the files and folders that `faas-cli build --shrinkwrap` puts into `build/NAME`. */
import { existsSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import type { StackFunction } from './parse-stack.ts'
import { resolveInStack, showPath, type StackFile } from './read-stack.ts'
import type { Template } from './template.ts'

/** One copy; a later one overwrites files of an earlier one. */
export type ContextPart = {
  /** A file or folder, absolute. */
  readonly from: string
  /** Inside the context; `.` is its top. */
  readonly to: string
  /** Names at the top of `from` that stay behind. */
  readonly except: readonly string[]
}

/** A handler folder may lie beside what a build made; that is no source. */
const NOT_SOURCE = ['build', 'template'] as const

/** The handler folder, absolute. `INVALID` when there is none. */
export function handlerFolder(stack: StackFile, one: StackFunction): string {
  if (one.handler === undefined) {
    throw new BrambleError('INVALID', `${one.place}: function ${one.name} has no handler: add "handler: ./${one.name}"`)
  }
  const folder = resolveInStack(stack, one.handler)
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new BrambleError('INVALID', `${one.place}: there is no folder ${showPath(folder, stack.cwd)} for function ${one.name}: ` +
      'create it, or correct "handler"')
  }
  return folder
}

/** Without a template the handler's files are the whole context. */
export function buildContext(stack: StackFile, one: StackFunction, template: Template | undefined): readonly ContextPart[] {
  const handler = handlerFolder(stack, one)
  if (template === undefined) return [{ from: handler, to: '.', except: NOT_SOURCE }]
  if (isOutside(template.folder, resolve(template.folder, template.handlerFolder))) {
    throw new BrambleError('INVALID', `handler_folder "${template.handlerFolder}" in ${template.folder} is outside the template`)
  }
  return [
    { from: template.folder, to: '.', except: [] },
    { from: handler, to: template.handlerFolder, except: NOT_SOURCE },
    ...stack.copy.map((path) => {
      const from = resolveInStack(stack, path)
      const home = [stack.folder, stack.cwd].find((folder) => !isOutside(folder, from))
      if (home === undefined) throw new BrambleError('INVALID', `configuration.copy: ${path} is outside the project`)
      if (!existsSync(from)) throw new BrambleError('INVALID', `configuration.copy: ${path} does not exist`)
      return { from, to: join(template.handlerFolder, relative(home, from)), except: [] }
    }),
  ]
}

function isOutside(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '..' || way.startsWith(`..${sep}`)
}

/** A function in another language: its build context as it is, for a program that `fprocess` names. */
import { readdir, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { buildContext } from '../stack/build-context.ts'
import { BUNDLED_LANG } from '../stack/handler-file.ts'
import { imageName } from '../stack/image-name.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import { readTemplate } from '../stack/template.ts'
import type { Output } from './output.ts'

export type CopyDeps = {
  /** Of this repository, absolute: its templates are looked at last. */
  readonly root: string
  readonly outFolder: string
  readonly output: Output
}

export type Copied = {
  /** How many there are now. */
  readonly files: number
  readonly isChanged: boolean
  /** What they were copied from, absolute. */
  readonly inputs: readonly string[]
}

export async function copyFunction(stack: StackFile, one: StackFunction, { root, outFolder, output }: CopyDeps): Promise<Copied> {
  if (one.lang === undefined) {
    throw new BrambleError('INVALID', `${one.place}: function ${one.name} has a handler but no language: add "lang: ${BUNDLED_LANG}"`)
  }
  const isOptional = one.fprocess !== undefined
  const template = await readTemplate(stack, one, [root]).catch((error: unknown) => {
    if (isOptional) return undefined
    throw error
  })
  const target = join(outFolder, imageName(one))
  /** Target → source: a later part of the context wins. */
  const wanted = new Map<string, string>()
  for (const { from, to, except } of buildContext(stack, one, template)) {
    for await (const file of filesBelow(from, except)) wanted.set(join(target, to, relative(from, file)), file)
  }
  let isChanged = false
  // What has gone goes first: a folder may have become a file, or the other way round.
  for await (const path of filesBelow(target, [])) {
    if (wanted.has(path)) continue
    await rm(path)
    for (let above = dirname(path); above !== target; above = dirname(above)) if (!await rmdir(above).then(() => true, () => false)) break
    isChanged = true
  }
  for (const [path, file] of wanted) if (await output.copy(file, path)) isChanged = true
  return { files: wanted.size, isChanged, inputs: [...wanted.values()] }
}

/** Links are followed: a bundle holds plain files. `above` are the folders on the way, so that a loop is seen. */
async function* filesBelow(path: string, except: readonly string[], above: readonly string[] = []): AsyncGenerator<string> {
  const info = await stat(path).catch(() => undefined)
  if (info?.isFile()) yield path
  if (!info?.isDirectory()) return
  const real = await realpath(path)
  if (above.includes(real)) return
  for (const name of await readdir(path)) if (!except.includes(name)) yield* filesBelow(join(path, name), [], [...above, real])
}

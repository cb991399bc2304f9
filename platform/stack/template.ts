/** The template of a function: the folder `template/LANG` and what its `template.yml` says. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { createFieldReader } from './field-reader.ts'
import type { StackFunction } from './parse-stack.ts'
import { showPath, type StackFile } from './read-stack.ts'
import { parseYaml } from './yaml.ts'

export type Template = {
  /** Absolute. */
  readonly folder: string
  readonly fprocess: string | undefined
  /** Where the handler's files go in a build context. */
  readonly handlerFolder: string
}

/** `lang: dockerfile`: the handler folder is the whole build context. */
export const DOCKERFILE_LANG = 'dockerfile'

/**
 * `undefined` where no template is meant (no `lang`, or `dockerfile`); `INVALID` when `template/LANG/template.yml` is
 * not there. `homes` are looked at after the stack file's folder and the current one.
 */
export async function readTemplate(
  stack: Pick<StackFile, 'folder' | 'cwd'>, one: StackFunction, homes: readonly string[],
): Promise<Template | undefined> {
  const { lang } = one
  if (lang === undefined || lang.toLowerCase() === DOCKERFILE_LANG) return undefined
  if (!/^[A-Za-z0-9][-._A-Za-z0-9]*$/.test(lang)) {
    throw new BrambleError('INVALID', `lang "${lang}" of function ${one.name} is not the name of a template`)
  }
  const folder = [stack.folder, stack.cwd, ...homes]
    .map((home) => resolve(home, 'template', lang))
    .find((path) => existsSync(join(path, 'template.yml')))
  if (folder === undefined) {
    throw new BrambleError('INVALID', `function ${one.name} has lang "${lang}", but there is no template/${lang}/template.yml: ` +
      'correct "lang", add the template (faas-cli template pull), or set "fprocess"')
  }
  const path = join(folder, 'template.yml')
  const yaml = parseYaml({ file: showPath(path, stack.cwd), text: await readFile(path, 'utf8') })
  const read = createFieldReader(yaml, [])
  const top = read.map(yaml.root, [])
  return {
    folder,
    fprocess: read.text(top.get('fprocess'), ['fprocess']) || undefined,
    handlerFolder: read.text(top.get('handler_folder'), ['handler_folder']) || 'function',
  }
}

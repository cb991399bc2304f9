/** The folder that `faas-cli` builds a function's image from. */
import { cp, mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { buildContext } from '../../platform/stack/build-context.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { readTemplate } from '../../platform/stack/template.ts'

const root = join(import.meta.dirname, '../..')

/** Of a function of this folder's stack file, into `folder`, which it makes. */
export async function writeContext(name: string, folder: string): Promise<void> {
  const stack = await readStack({ cwd: import.meta.dirname, file: 'stack.yml', variables: { fixture_registry: 'registry.invalid' } })
  const one = stack.functions.find((each) => each.name === name)
  if (one === undefined) throw new Error(`there is no function ${name} in ${stack.path}`)
  await mkdir(folder)
  for (const { from, to, except } of buildContext(stack, one, await readTemplate(stack, one, [root]))) {
    await cp(from, join(folder, to), { recursive: true, filter: (path) => ![...except, 'node_modules'].includes(relative(from, path)) })
  }
}

/** The recorded scenarios of `faas-cli` that begin with a stack file, laid out in a folder as they were recorded. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export type Scenario = {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
  readonly exchanges: readonly { readonly request: { readonly method: string; readonly path: string; readonly body?: unknown } }[]
  readonly expect: { readonly exitCode: number; readonly files?: Readonly<Record<string, string>> }
}

const GATEWAY = 'http://gateway.test:8080'
const all: readonly (Omit<Scenario, 'files'> & Partial<Scenario>)[] =
  JSON.parse(readFileSync(join(import.meta.dirname, '..', 'contract', 'faas-cli.json'), 'utf8'))

/** Scenarios whose name starts with one of `prefixes` and that have a stack file. */
export function recordedScenarios(...prefixes: readonly string[]): readonly Scenario[] {
  return all.filter((one): one is Scenario => one.files !== undefined
    && Object.keys(one.files).some((path) => path.startsWith('stack.')) && prefixes.some((prefix) => one.name.startsWith(prefix)))
}

/** What follows an option in the command line. */
export function optionOf(scenario: Scenario, ...spellings: readonly string[]): string | undefined {
  return scenario.command.find((_, index) => spellings.includes(scenario.command[index - 1] ?? ''))
}

/** A folder with the files of a scenario, gone when it goes out of scope. */
export async function layOut(files: Readonly<Record<string, string>>): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-stack-'))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text.replaceAll('{gateway}', GATEWAY).replaceAll('{down}', GATEWAY))
  }
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

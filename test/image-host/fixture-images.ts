/** Images of hello, an Express function and one with a WebAssembly file, made by the `bramble` command. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RegistryServer } from './registry-server.ts'

const root = join(import.meta.dirname, '../..')

export type FixtureImages = AsyncDisposable & {
  readonly folder: string
  /** What the command said. */
  readonly output: string
}

/** With names in `registry`; in `folder/dist/images`. `from` is a copy of this repository. */
export async function buildImages(registry: string, options: readonly string[] = [], from = root): Promise<FixtureImages> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-images-'))
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const output = await bramble({ from, cwd: folder, registry, words: ['build', ...options] })
    return { folder, output, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Answers what the command said. */
export async function pushImages({ folder }: FixtureImages, server: RegistryServer, names: readonly string[] = []): Promise<string> {
  return bramble({ from: root, cwd: folder, registry: server.name, words: ['push', ...names] }, { registry_auth_file: server.authFile, registry_ca_file: server.caFile })
}

type Command = { readonly from: string; readonly cwd: string; readonly registry: string; readonly words: readonly string[] }

async function bramble({ from, cwd, registry, words }: Command, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { functions_dir: _, ...inherited } = process.env
  const child = spawn(process.execPath, [join(from, 'platform/cli/main.ts'), ...words, '-f', join(from, 'test/image-host/stack.yml')], {
    cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...env, fixture_registry: registry },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`bramble ${words.join(' ')} ended with ${code}:\n${output}`)
  return output
}

/** The `bramble` command as a real process, in a folder of its own, against a real gateway over a seeded provider. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createTestGateway } from '../contract/replay.ts'
import type { Given, Scenario } from '../contract/scenario.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'

export const ROOT = join(import.meta.dirname, '..', '..')
const PROGRAM = join(ROOT, 'platform/cli/main.ts')

export type Result = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export type Workplace = AsyncDisposable & {
  readonly folder: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  read(path: string): Promise<string>
  /** Runs to its end. */
  bramble(words: readonly string[], options?: RunOptions): Promise<Result>
  start(words: readonly string[], options?: RunOptions): ChildProcessWithoutNullStreams
}

export type RunOptions = { readonly stdin?: string | Uint8Array; readonly env?: Readonly<Record<string, string>> }

/** The home folder is the same folder: nothing of the person's own is read or written. */
export async function createWorkplace(files: Readonly<Record<string, string>> = {}): Promise<Workplace> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'bramble-cli-')))
  const write: Workplace['write'] = async (more) => {
    for (const [path, text] of Object.entries(more)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
  }
  const start: Workplace['start'] = (words, { env = {} } = {}) => spawn(process.execPath, [PROGRAM, ...words], {
    cwd: folder, env: { PATH: process.env['PATH'], HOME: folder, ...env },
  })
  await write(files)
  return {
    folder, write, start,
    read: (path) => readFile(join(folder, path), 'utf8'),
    async bramble(words, options = {}) {
      const child = start(words, options)
      const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] }
      child.stdout.on('data', (chunk: Buffer) => chunks.out.push(chunk))
      child.stderr.on('data', (chunk: Buffer) => chunks.err.push(chunk))
      // It may end without reading; that is its right.
      child.stdin.on('error', () => undefined).end(options.stdin ?? '')
      const [code] = await once(child, 'close')
      return { code, stdout: Buffer.concat(chunks.out).toString('latin1'), stderr: Buffer.concat(chunks.err).toString() }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export type TestGateway = AsyncDisposable & { readonly url: string; readonly provider: SeededProvider }

export async function startGateway(given: Given = {}, auth: Scenario['auth'] = 'none'): Promise<TestGateway> {
  const provider = createSeededProvider(given)
  const gateway = createTestGateway(provider, auth)
  await provider.start()
  await gateway.start()
  return {
    provider,
    url: gateway.url(),
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await provider.stop()
    },
  }
}

/** A function of the state before a test. */
export function given(service: string, more: Record<string, unknown> = {}): NonNullable<Given['functions']>[number] {
  const { labels = {}, ...deployment } = more
  return {
    deployment: { service, image: `registry.local/${service}:1`, labels, annotations: {}, ...deployment } as GivenDeployment,
    createdAt: '2026-01-02T03:04:05Z',
  }
}
type GivenDeployment = NonNullable<Given['functions']>[number]['deployment']

/** A handler's source, bundled and run as a process of its own, as the platform does it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { eventually } from '../kit.ts'

export type RunningFunction = AsyncDisposable & {
  readonly url: string
  readonly metricsUrl: string
  readonly pid: number
  /** Everything it has logged, as parsed lines. */
  log(): Record<string, unknown>[]
  /** The exit code, once it has ended. */
  readonly exited: Promise<number | null>
}

/** Starts it without waiting: for those that must not come up. `ready` waits for its ports. */
export async function launchFunction(source: string, env: Readonly<Record<string, string>> = {}): Promise<RunningFunction & {
  readonly ready: Promise<RunningFunction>
}> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-function-'))
  await build({
    stdin: {
      contents: `${source}\nimport { serve } from '@bramble/runtime'\nserve(handler)\n`,
      loader: 'ts', resolveDir: import.meta.dirname, sourcefile: 'handler.ts',
    },
    bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node24', sourcemap: 'external',
    outfile: join(folder, 'index.mjs'), logLevel: 'silent',
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
  })
  const child = spawn(process.execPath, ['index.mjs'], {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], host: '127.0.0.1', port: '0', metrics_port: '0', shutdown_grace: '50ms', ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const log = (): Record<string, unknown>[] => output.split('\n').slice(0, -1).map((line) => JSON.parse(line))
  const exited = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  const running = (ports: { port: unknown; metricsPort: unknown }): RunningFunction => ({
    url: `http://127.0.0.1:${ports.port}`, metricsUrl: `http://127.0.0.1:${ports.metricsPort}`, pid: child.pid ?? 0, log, exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  })
  return {
    ...running({ port: 0, metricsPort: 0 }),
    get ready() {
      return eventually('the function is ready', () => log().find(({ message }) => message === 'ready'))
        .then(({ port, metricsPort }) => running({ port, metricsPort }))
    },
  }
}

export async function startFunction(source: string, env: Readonly<Record<string, string>> = {}): Promise<RunningFunction> {
  return (await launchFunction(source, env)).ready
}

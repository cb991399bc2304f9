/** Runs a function the way the platform does: bundled into a folder of its own, as a process with a port and an environment. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { eventually } from './kit.ts'

const root = join(import.meta.dirname, '..')
/** What CommonJS packages (Express, sql.js) need inside an ESM bundle. */
const banner = 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url),__dirname=import.meta.dirname,__filename=import.meta.filename;'

export type LogLine = { readonly level: string; readonly message: string } & Record<string, unknown>
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type RunningFunction = AsyncDisposable & {
  readonly url: string
  readonly metricsUrl: string
  readonly port: number
  readonly pid: number
  /** All lines so far, stdout and stderr; a line that is not JSON has level `raw`. */
  logs(): LogLine[]
  signal(name: NodeJS.Signals): void
  readonly exit: Promise<Exit>
}

/**
 * Bundles `test/fixtures/functions/NAME`, or `functions/NAME`, or a handler file, into a folder that the caller removes. What lies in
 * `functions/` is imported as the build does it; the others while the server listens already.
 */
export async function bundleFunction(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-function-'))
  const handler = [name, join(root, 'test/fixtures/functions', name, 'handler.ts'), join(root, 'functions', name, 'handler.ts')]
    .find((file) => file.endsWith('.ts') && existsSync(file))
  if (handler === undefined) throw new Error(`there is no function ${name} to bundle`)
  const isBuilt = handler.startsWith(join(root, 'functions/'))
  await build({
    stdin: {
      contents: isBuilt ? `import handler from ${JSON.stringify(handler)}\nimport { serve } from '@bramble/runtime'\nserve(handler)\n`
        : `import { serve } from '@bramble/runtime'\nserve(import(${JSON.stringify(handler)}))\n`,
      resolveDir: root,
      sourcefile: 'entry.mjs',
    },
    outfile: join(folder, 'index.mjs'),
    bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node24', charset: 'utf8',
    sourcemap: 'external', sourcesContent: false, logLevel: 'silent', banner: { js: banner },
    loader: { '.wasm': 'file' }, assetNames: '[name]',
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  return folder
}

/** Starts a process on a bundle and does not wait for it. */
export function spawnFunction(folder: string, env: Record<string, string> = {}, flags: readonly string[] = []) {
  const child = spawn(process.execPath, [...flags, '--max-semi-space-size=1', '--no-concurrent-recompilation', 'index.mjs'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], host: '127.0.0.1', port: '0', metrics_port: '0', shutdown_grace: '0s', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const exit: Promise<Exit> = once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode }))
  return { child, exit, logs: () => output.split('\n').filter((line) => line !== '').map(toLine) }
}

/** Bundles and starts a function and waits until it is ready. Disposing ends the process and removes the bundle. */
export async function startFunction(name: string, env: Record<string, string> = {}): Promise<RunningFunction> {
  const folder = await bundleFunction(name)
  const { child, exit, logs } = spawnFunction(folder, env)
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const ready = await eventually(`function ${name} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`function ${name} ended with ${child.exitCode}: ${JSON.stringify(logs())}`)
      return logs().find(({ message }) => message === 'ready')
    })
    const port = Number(ready['port'])
    return {
      url: `http://127.0.0.1:${port}`,
      metricsUrl: `http://127.0.0.1:${Number(ready['metricsPort'])}/metrics`,
      port,
      pid: child.pid ?? 0,
      logs,
      signal: (signal) => void child.kill(signal),
      exit,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

function toLine(text: string): LogLine {
  try {
    return JSON.parse(text)
  } catch {
    return { level: 'raw', message: text }
  }
}

/** Starts one of the bench's programs in a process of its own and ends it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { withDeadline } from '../kit.ts'
import type { LoadReport } from './load.ts'
import { toArguments, type LoadOptions } from './load-options.ts'

const START_LIMIT_MS = 10_000
const END_LIMIT_MS = 10_000
/** What a load may take beyond its own time: connecting, warming up, the last answers. */
const LOAD_GRACE_MS = 60_000

export type Server = AsyncDisposable & { readonly pid: number; readonly url: string }

/** A server that prints its port first (`announce.ts`). */
export async function startServer(file: string, args: readonly string[] = [], options: {
  readonly nodeArgs?: readonly string[]
  readonly node?: string
} = {}): Promise<Server> {
  const child = spawn(options.node ?? process.execPath, [...options.nodeArgs ?? [], join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  const port = await withDeadline(firstLine(child), START_LIMIT_MS, `the start of ${file}`)
  return { pid: child.pid ?? 0, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => endProcess(child) }
}

/** Asks it to end, then ends it. */
export async function endProcess(child: ChildProcess, limitMs = END_LIMIT_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await withDeadline(ended, limitMs, 'its end').catch(() => { child.kill('SIGKILL') })
}

/** Runs a load in a process of its own. */
export async function runLoad(options: LoadOptions, file: 'load.ts' | 'load-websocket.ts' = 'load.ts'): Promise<LoadReport> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...toArguments(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const limitMs = ((options.seconds ?? 0) + (options.warmupSeconds ?? 0)) * 1000 + (options.timeoutMs ?? 0) + LOAD_GRACE_MS
  try {
    return JSON.parse(await withDeadline(firstLine(child), limitMs, `the load on ${options.url}`)) as LoadReport
  } finally {
    child.kill('SIGKILL')
  }
}

export async function firstLine(child: ChildProcess): Promise<string> {
  let text = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`${child.spawnargs.join(' ')} ended (${code ?? signal}) without a word`)))
  })
}

/** A platform started by `bramble start` as a real process, in a workplace of its own. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from '../kit.ts'
import { createWorkplace, type Result, type RunOptions, type Workplace } from './bramble.ts'

export type TestPlatform = AsyncDisposable & {
  readonly at: Workplace
  readonly child: ChildProcessWithoutNullStreams
  /** Of the gateway. */
  readonly url: string
  readonly stdout: () => string
  readonly stderr: () => string
  /** A command that talks to this platform. */
  bramble(words: readonly string[], options?: RunOptions): Promise<Result>
  /** Ctrl-C; answers the exit code. */
  stop(): Promise<number | null>
}

/** Any free ports. */
export const settings = { port: '0', metrics_port: '0', update_timeout: '60s', shutdown_timeout: '30s' }

/** Answers when everything is announced. */
export async function startPlatform(files: Readonly<Record<string, string>>, words: readonly string[] = []): Promise<TestPlatform> {
  const at = await createWorkplace(files)
  return startIn(at, words)
}

export async function startIn(at: Workplace, words: readonly string[] = []): Promise<TestPlatform> {
  const child = at.start(['start', ...words], { env: settings })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  await eventually('the platform is announced', () => {
    if (child.exitCode !== null) throw new Error(`start ended with ${child.exitCode}:\n${out}\n${err}`)
    return out.includes('Ctrl-C stops everything')
  })
  const url = / runs at (\S+),/.exec(out)?.[1] ?? ''
  const stop = async (): Promise<number | null> => {
    if (child.exitCode !== null) return child.exitCode
    const closed = once(child, 'close')
    child.kill('SIGINT')
    const [code] = await closed
    return code
  }
  return {
    at, child, url, stop,
    stdout: () => out,
    stderr: () => err,
    bramble: (command, options = {}) => at.bramble(command, { ...options, env: { OPENFAAS_URL: url, ...options.env } }),
    async [Symbol.asyncDispose]() {
      await stop()
      await at[Symbol.asyncDispose]()
    },
  }
}

/** A stack file of node-ts functions in folders of their own names, with more lines for some. */
export function stackOf(functions: Readonly<Record<string, string>>): string {
  return 'version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n' + Object.entries(functions).map(([name, more]) =>
    `  ${name}:\n    lang: node-ts\n    handler: ./${name}\n    image: test/${name}:1\n${more.replace(/^(?=.)/gm, '    ')}${more && '\n'}`).join('')
}

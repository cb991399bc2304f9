/** Child processes that are there as long as this one: one that ends is started again, after a while if it ends again and again. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { backoffMs } from './lib/backoff.ts'
import type { Log } from './lib/log.ts'
import type { Part } from './lib/parts.ts'

export type ChildrenOptions = {
  readonly count: number
  /** What each of them runs. */
  readonly file: string
  readonly env: () => NodeJS.ProcessEnv
  readonly log: Log
}

const AGAIN = { firstMs: 100, maxMs: 5_000 } as const
/** One that has run for so long was well. */
const WELL_MS = 10_000
/** As this process is started by `npm start`. */
export const NODE_ARGS = ['--max-semi-space-size=2', '--no-concurrent-recompilation']

export function createChildren({ count, file, env, log }: ChildrenOptions): Part {
  const children = new Set<ChildProcess>()
  const timers = new Set<NodeJS.Timeout>()
  let isOn = false

  const begin = (failures: number): void => {
    const beganMs = performance.now()
    // The channel is not for messages: it breaks when this process dies, and the child ends.
    const child = spawn(process.execPath, [...NODE_ARGS, file], { env: env(), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    children.add(child)
    child.on('error', (error) => log.error('process could not be started', { file, error }))
    child.on('exit', (code, signal) => {
      children.delete(child)
      if (!isOn) return
      const inARow = performance.now() - beganMs > WELL_MS ? 1 : failures + 1
      log.warn('process has ended; it is started again', { pid: child.pid, code: code ?? undefined, signal: signal ?? undefined })
      const timer = setTimeout(() => {
        timers.delete(timer)
        begin(inARow)
      }, backoffMs(inARow, AGAIN))
      timers.add(timer)
    })
  }

  return {
    async start() {
      if (isOn) return
      isOn = true
      for (let index = 0; index < count; index++) begin(0)
    },
    async stop() {
      isOn = false
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
      await Promise.all([...children].map(async (child) => {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        await ended
      }))
    },
  }
}

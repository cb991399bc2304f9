/**
 * Keeps the control process running, as the first process of its container: one that dies is started again in the same
 * container, so that the pod stays ready and takes new connections meanwhile. One that has only just begun takes the
 * container with it: Kubernetes shows what does not start at all, and waits longer each time.
 */
import { spawn } from 'node:child_process'
import { basename, join } from 'node:path'
import { NODE_ARGS } from './children.ts'

/** Beside this one, in the image. */
const PROGRAM = 'index.mjs'
/** One that has run for so long has started well. */
const WELL_MS = 10_000

export function supervise(program: string, wellMs = WELL_MS): void {
  let isStopping = false
  let stop = (_signal: NodeJS.Signals): void => undefined
  const begin = (): void => {
    const beganMs = performance.now()
    const child = spawn(process.execPath, [...NODE_ARGS, program], { stdio: 'inherit' })
    stop = (signal) => { child.kill(signal) }
    child.on('error', (error) => { throw error })
    child.on('exit', (code, signal) => {
      const hasRunWell = performance.now() - beganMs > wellMs
      if (isStopping || !hasRunWell) process.exit(code ?? 1)
      console.error(JSON.stringify({ time: new Date(), level: 'error', message: 'control process has ended; it is started again', code: code ?? undefined, signal: signal ?? undefined }))
      begin()
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      isStopping = true
      stop(signal)
    })
  }
  begin()
}

// Started by itself, not imported.
if (process.argv[1] !== undefined && basename(process.argv[1]) === basename(import.meta.filename)) supervise(join(import.meta.dirname, PROGRAM))

/** Programs of this machine that images are made with. */
import { spawn } from 'node:child_process'
import { BrambleError, hasCode } from '../lib/errors.ts'

export type ProgramOptions = {
  readonly cwd?: string
  readonly signal?: AbortSignal | undefined
  /** What to do when the machine does not have it. */
  readonly remedy: string
}

/** The end of its complaints is what matters. */
const MAX_COMPLAINT_CHARS = 2_000

/**
 * Runs to the end and gives its output piece by piece. `UNSUPPORTED` when there is no such program, `UNAVAILABLE` with
 * its own words when it fails.
 */
export async function* runProgram(program: string, args: readonly string[], options: ProgramOptions): AsyncGenerator<Uint8Array> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { complaint = (complaint + text).slice(-MAX_COMPLAINT_CHARS) })
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  // Heard below, but maybe only after the output has ended.
  ended.catch(() => undefined)
  try {
    yield* child.stdout
    const code = await ended
    if (code !== 0) throw new BrambleError('UNAVAILABLE', `${program} failed: ${complaint.trim() || `exit code ${code}`}`)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new BrambleError('UNSUPPORTED', `the program ${program} is missing: ${options.remedy}`, { cause: error })
    throw error
  } finally {
    child.kill()
  }
}

/** The whole output as text. */
export async function programOutput(program: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of runProgram(program, args, options)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

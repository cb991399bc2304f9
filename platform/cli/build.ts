/** Runs build.mjs as a process of its own and hears what it did. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { BrambleError } from '../lib/errors.ts'
import type { Io } from './command.ts'
import { projectRoot } from './project.ts'
import { paint, tell } from './terminal.ts'

/** One JSON line of build.mjs. */
export type BuildEvent = {
  readonly event: string
  readonly function: string
  readonly isChanged: boolean
  readonly ms: number
  readonly bytes: number | undefined
  readonly messages: readonly string[]
}

export type BuildOptions = {
  readonly stackFile: string
  readonly functions?: readonly string[]
  readonly isSubstituted?: boolean
  /** Goes on with each change until `signal`. */
  readonly isWatching?: boolean
  readonly signal?: AbortSignal
}

/** Answers whether everything was built. Events are handled one after the other, in order. */
export async function build(
  io: Io, options: BuildOptions, onEvent: (event: BuildEvent) => void | Promise<void>,
): Promise<boolean> {
  const { stackFile, functions = [], isSubstituted = true, isWatching = false, signal } = options
  const child = spawn(process.execPath, [
    join(projectRoot(), 'build.mjs'), '--json', '-f', stackFile,
    ...(isWatching ? ['--watch'] : []), ...(isSubstituted ? [] : ['--no-envsubst']), ...functions,
  ], { cwd: io.cwd, env: { ...io.env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  // It ends when its standard input does: so it also ends when this process is killed.
  const stop = (): void => { child.stdin.end() }
  signal?.addEventListener('abort', stop)
  if (!isWatching || signal?.aborted) stop()
  try {
    for await (const line of createInterface({ input: child.stdout })) await onEvent(readEvent(line))
    const [code] = await ended
    return code === 0
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}

/** Shows an event as a line for people. */
export function tellEvent(io: Io, event: BuildEvent): void {
  switch (event.event) {
    case 'function':
      return tell(io, `${event.function}: built${event.bytes === undefined ? '' : ` ${(event.bytes / 1000).toFixed(1)} KB`} in ${event.ms} ms` +
        (event.isChanged ? '' : paint(io, 'dim', ' (unchanged)')))
    case 'failed':
      for (const message of event.messages) tell(io, paint(io, 'red', message))
      return
    case 'warning':
      for (const message of event.messages) tell(io, paint(io, 'yellow', `warning: ${message}`))
      return
  }
}

function readEvent(line: string): BuildEvent {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (cause) {
    throw new BrambleError('INTERNAL', `build.mjs said something unexpected: ${line}`, { cause })
  }
  const fields = new Map<string, unknown>(typeof json === 'object' && json !== null ? Object.entries(json) : [])
  const messages = fields.get('messages')
  const bytes = fields.get('bytes')
  return {
    event: String(fields.get('event')),
    function: String(fields.get('function') ?? ''),
    isChanged: fields.get('isChanged') === true,
    ms: Number(fields.get('ms') ?? 0),
    bytes: typeof bytes === 'number' ? bytes : undefined,
    messages: Array.isArray(messages) ? messages.map(String) : [],
  }
}

/** Why a replica ended, out of what the operating system and its last lines say. Pure. */

export type ExitCause = 'ended' | 'cannot-run' | 'out-of-memory' | 'unresponsive' | 'port-taken'

export type Exit = {
  readonly instance: string
  readonly cause: ExitCause
  /** For the operator: what happened to which replica. */
  readonly text: string
  readonly lastLines: readonly string[]
}

export type ExitFacts = {
  readonly instance: string
  readonly program: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The program could not be started at all. */
  readonly spawnError?: Error | undefined
  /** The platform ended it itself, and why. */
  readonly endedBecause?: { readonly cause: ExitCause; readonly text: string } | undefined
  readonly wasReady: boolean
  readonly lines: readonly string[]
}

/** Shown to the operator; V8's own report of a full heap is longer and says less. */
const LAST_LINES = 20
/** A shell's way to say that SIGABRT ended a program. */
const ABORTED_CODE = 134

export function explainExit(facts: ExitFacts): Exit {
  const { instance, program, code, signal, spawnError, endedBecause, wasReady, lines } = facts
  const lastLines = lines.slice(-LAST_LINES)
  const make = (cause: ExitCause, text: string): Exit => ({ instance, cause, text: `replica ${instance} ${text}`, lastLines })

  if (spawnError) return make('cannot-run', `cannot run "${program}": ${whyNotRun(spawnError)}`)
  if (endedBecause) return make(endedBecause.cause, endedBecause.text)
  const isAborted = signal === 'SIGABRT' || code === ABORTED_CODE
  if (isAborted && lines.some((line) => line.includes('heap out of memory'))) {
    return make('out-of-memory', 'ran out of memory: its heap is full (OOM); raise limits.memory')
  }
  const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
  if (!wasReady && lines.some((line) => line.includes('EADDRINUSE') || /address already in use/i.test(line))) {
    return make('port-taken', `${how}: its port was taken by another program`)
  }
  return make('ended', how)
}

function whyNotRun(error: Error): string {
  const code = 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such program in the bundle or on PATH; is envProcess right?'
  if (code === 'EACCES') return 'it may not be executed; is it a program, and may everybody run it?'
  if (code === 'EAGAIN') return 'the system refuses more processes'
  return error.message
}

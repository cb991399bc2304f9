/** Which runs a function has asked for, out of its annotations. Pure. */
import { BrambleError } from '../lib/errors.ts'
import { parseGoDuration } from '../openfaas/duration.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef, FunctionSpec } from '../openfaas/types.ts'
import { checkTimezone, parseSchedule, type Schedule } from './schedule.ts'

const catchUps = ['none', 'one', 'all'] as const
const overlaps = ['skip', 'queue', 'allow'] as const
const invocations = ['sync', 'async'] as const

export type Job = {
  /** The same as long as function, expression and time zone are. */
  readonly id: string
  readonly ref: FunctionRef
  readonly schedule: Schedule
  readonly timezone: string
  /** What becomes of runs that were missed: nothing, one for all of them, or each. */
  readonly catchUp: (typeof catchUps)[number]
  /** When the run before has not ended: the new one is left out, waits, or begins beside it. */
  readonly overlap: (typeof overlaps)[number]
  /** Each run begins up to so much later, by an amount of its own. */
  readonly jitterMs: number
  /** Whether the function is called, or the call queued. */
  readonly invocation: (typeof invocations)[number]
}

const TOPIC = 'cron-function'
const MAX_JITTER_MS = 3_600_000
/** Expressions of one function. */
const MAX_SCHEDULES = 100

/** Several expressions are separated by `;`. `INVALID` names the annotation, and the place in it. */
export function planJobs(spec: Pick<FunctionSpec, 'name' | 'namespace' | 'annotations'>): readonly Job[] {
  const { name, namespace, annotations } = spec
  const topics = annotations['topic']?.split(',').map((topic) => topic.trim()) ?? []
  if (!topics.includes(TOPIC)) return []
  const text = annotations['schedule']
  if (!text?.replaceAll(';', '').trim()) {
    throw new BrambleError('INVALID', `function ${name} has the topic ${TOPIC} but no annotation schedule, like "0 * * * *"`)
  }
  const ref: FunctionRef = { name, namespace }
  const timezone = checkTimezone(annotations['bramble/timezone'] ?? 'UTC', 'annotation bramble/timezone')
  const common = {
    ref, timezone,
    catchUp: oneOf(annotations, 'bramble/catch-up', catchUps),
    overlap: oneOf(annotations, 'bramble/overlap', overlaps),
    jitterMs: jitterOf(annotations),
    invocation: oneOf(annotations, 'bramble/invocation', invocations),
  }
  const jobs = new Map<string, Job>()
  for (const { part, at } of split(text)) {
    const id = `${serviceName(ref)} ${part} ${timezone}`
    jobs.set(id, { ...common, id, schedule: parseSchedule(part, at, timezone) })
    if (jobs.size > MAX_SCHEDULES) throw new BrambleError('INVALID', `annotation schedule has more than ${MAX_SCHEDULES} expressions`)
  }
  return [...jobs.values()]
}

/** How much later than its moment a run begins: always the same for the same run, so that a restart repeats none. */
export function jitterOfRun({ id, jitterMs }: Job, dueMs: number): number {
  if (jitterMs === 0) return 0
  // Source: FNV-1a, 32 bits.
  let hash = 0x811c9dc5
  for (const char of `${id} ${dueMs}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return (hash >>> 0) % (jitterMs + 1)
}

function split(text: string): { part: string; at: number }[] {
  let start = 0
  return text.split(';').flatMap((piece) => {
    const at = start + piece.length - piece.trimStart().length + 1
    start += piece.length + 1
    return piece.trim() === '' ? [] : [{ part: piece.trim(), at }]
  })
}

function oneOf<T extends string>(annotations: FunctionSpec['annotations'], name: string, words: readonly [T, ...T[]]): T {
  const text = annotations[name]
  if (text === undefined) return words[0]
  const found = words.find((word) => word === text)
  if (found === undefined) throw new BrambleError('INVALID', `annotation ${name} must be one of ${words.join(', ')}, not "${text.slice(0, 80)}"`)
  return found
}

function jitterOf(annotations: FunctionSpec['annotations']): number {
  const text = annotations['bramble/jitter']
  const ms = text === undefined ? 0 : parseGoDuration(text, 'annotation bramble/jitter')
  if (ms > MAX_JITTER_MS) throw new BrambleError('INVALID', `annotation bramble/jitter must be 1h at most, not "${text}"`)
  return ms
}

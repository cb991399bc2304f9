/** What a function's annotations say of its runs by cron: OpenFaaS's `topic` and `schedule`, and Bramble's own words. Pure; the expressions are cron's. */
import { BrambleError } from '../lib/errors.ts'
import { parseGoDuration } from './duration.ts'

const catchUps = ['none', 'one', 'all'] as const
const overlaps = ['skip', 'queue', 'allow'] as const
const invocations = ['sync', 'async'] as const

export type CronPolicy = {
  /** Of the time zone database. */
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

type Annotations = Readonly<Record<string, string>>

/** Which of them `readCronPolicy` reads. */
export const cronAnnotations = ['bramble/timezone', 'bramble/catch-up', 'bramble/overlap', 'bramble/jitter', 'bramble/invocation'] as const

const TOPIC = 'cron-function'
const MAX_JITTER_MS = 3_600_000

/** The text of `schedule`, with at least one expression in it; absent for a function without the topic. `INVALID` for the topic alone. */
export function scheduleOf(annotations: Annotations): string | undefined {
  const topics = annotations['topic']?.split(',').map((topic) => topic.trim()) ?? []
  if (!topics.includes(TOPIC)) return undefined
  const text = annotations['schedule']
  if (!text?.replaceAll(';', '').trim()) throw new BrambleError('INVALID', `there is no annotation schedule for the topic ${TOPIC}: add one like "0 * * * *"`)
  return text
}

/** `INVALID` names the annotation. */
export function readCronPolicy(annotations: Annotations): CronPolicy {
  return {
    timezone: checkTimezone(annotations['bramble/timezone'] ?? 'UTC', 'annotation bramble/timezone'),
    catchUp: oneOf(annotations, 'bramble/catch-up', catchUps),
    overlap: oneOf(annotations, 'bramble/overlap', overlaps),
    jitterMs: jitterOf(annotations),
    invocation: oneOf(annotations, 'bramble/invocation', invocations),
  }
}

/** `INVALID` unless it is in the time zone database. */
function checkTimezone(name: string, what: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return name
  } catch (cause) {
    throw new BrambleError('INVALID', `${what} "${name.slice(0, 80)}" is not a time zone like Europe/Paris or UTC`, { cause })
  }
}

function oneOf<T extends string>(annotations: Annotations, name: string, words: readonly [T, ...T[]]): T {
  const text = annotations[name]
  if (text === undefined) return words[0]
  const found = words.find((word) => word === text)
  if (found === undefined) throw new BrambleError('INVALID', `annotation ${name} must be one of ${words.join(', ')}, not "${text.slice(0, 80)}"`)
  return found
}

function jitterOf(annotations: Annotations): number {
  const text = annotations['bramble/jitter']
  const ms = text === undefined ? 0 : parseGoDuration(text, 'annotation bramble/jitter')
  if (ms > MAX_JITTER_MS) throw new BrambleError('INVALID', `annotation bramble/jitter must be 1h at most, not "${text}"`)
  return ms
}

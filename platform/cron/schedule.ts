/**
 * One expression and the moments it means. Five fields or a nickname by the Open Cron Pattern Specification 1.4, through
 * croner, or `@every DURATION`. Pure: no clock. What a change to summer time skips does not run; what a change back
 * repeats runs once.
 */
import { Cron } from 'croner'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import { parseGoDuration } from '../openfaas/duration.ts'

export type Schedule = {
  readonly text: string
  /** The first moment after `afterMs`, milliseconds of Unix time; `anchorMs` is where `@every` counts from. */
  next(afterMs: number, anchorMs: number): number | undefined
}

const fieldNames = ['minute', 'hour', 'day of month', 'month', 'day of week'] as const
const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *', '@monthly': '0 0 1 * *', '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@hourly': '0 * * * *',
}
/** As the cron connector. */
const SHORTEST_INTERVAL_MS = 1_000
/** Any moment will do to find out whether there is a next one at all. */
const SOME_MOMENT_MS = Date.UTC(2024, 0, 1)
/** All zones change their clocks at such a moment. */
const QUARTER_MS = 15 * 60_000
/** A change back repeats three hours at most, in all of history. */
const MAX_QUARTERS = 12

/** `at` is where the text begins in what the user wrote, from 1. `INVALID` says what is wrong, and where. */
export function parseSchedule(text: string, at: number, timezone: string): Schedule {
  if (/^@every(\s|$)/.test(text)) return every(text, at)
  if (text.startsWith('@') && nicknames[text] === undefined) {
    throw bad(text, at, `there is no "${text}"; there are ${Object.keys(nicknames).join(', ')} and @every 5m`)
  }
  const pattern = nicknames[text] ?? text
  const fields = [...pattern.matchAll(/\S+/g)]
  if (fields.length !== fieldNames.length) {
    const extra = fields[fieldNames.length]
    throw bad(text, at + (extra?.index ?? text.length),
      `it has ${fields.length} fields instead of 5: minute, hour, day of month, month, day of week`)
  }
  for (const [index, field] of fields.entries()) checkField(text, at, index, field)
  const cron = read(fields.join(' '), timezone)
  if (cron instanceof Error) throw bad(text, at, cron.message)
  const next = (afterMs: number): number | undefined => nextOf(cron, afterMs)
  if (next(SOME_MOMENT_MS) === undefined) throw bad(text, at, 'no such day will ever come')
  return { text, next }
}

function every(text: string, at: number): Schedule {
  const amount = text.slice('@every'.length).trim()
  const ms = amount === '' ? NaN : Math.floor(parseGoDuration(amount, `schedule "${text}" at character ${at}: the interval`) / 1_000) * 1_000
  if (!(ms >= SHORTEST_INTERVAL_MS)) throw bad(text, at, 'write it like @every 5m, with 1s at least')
  return {
    text,
    // Before its anchor, too: a clock may go back beyond it.
    next: (afterMs, anchorMs) => anchorMs + (Math.floor((afterMs - anchorMs) / ms) + 1) * ms,
  }
}

/** Each field is tried with all others open: so the one that is wrong can be named. */
function checkField(text: string, at: number, index: number, field: RegExpExecArray): void {
  const tried = read(fieldNames.map((_, other) => (other === index ? field[0] : '*')).join(' '), 'UTC')
  if (!(tried instanceof Error)) return
  throw bad(text, at + field.index, `the ${fieldNames[index]} "${field[0].slice(0, 40)}" makes no sense (${tried.message})`)
}

/** Never given anything to run: it holds no timer. */
function read(pattern: string, timezone: string): Cron | Error {
  try {
    return new Cron(pattern, { timezone, paused: true, mode: '5-part' })
  } catch (error) {
    return new Error(reasonOf(error).replace(/^CronPattern: /, ''))
  }
}

/**
 * croner moves what summer time skips to a later hour, which its own `match` denies; and asked from within a repeated
 * hour it may answer with the first of the two, which is over.
 */
function nextOf(cron: Cron, afterMs: number): number | undefined {
  let fromMs = afterMs
  for (;;) {
    const found = cron.nextRun(new Date(fromMs))?.getTime()
    if (found === undefined) return undefined
    if (found <= fromMs) {
      const onMs = leaveRepeatedHour(cron, fromMs)
      if (cron.match(new Date(onMs))) return onMs
      fromMs = onMs
    } else if (cron.match(new Date(found))) return found
    else fromMs = found
  }
}

/** The first quarter of an hour from which croner looks ahead again. */
function leaveRepeatedHour(cron: Cron, fromMs: number): number {
  const firstMs = (Math.floor(fromMs / QUARTER_MS) + 1) * QUARTER_MS
  for (let quarter = 0; quarter < MAX_QUARTERS; quarter++) {
    const onMs = firstMs + quarter * QUARTER_MS
    if ((cron.nextRun(new Date(onMs))?.getTime() ?? Infinity) > onMs) return onMs
  }
  return firstMs + MAX_QUARTERS * QUARTER_MS
}

function bad(text: string, at: number, why: string): BrambleError {
  return new BrambleError('INVALID', `schedule "${text.slice(0, 80)}" at character ${at}: ${why}`)
}

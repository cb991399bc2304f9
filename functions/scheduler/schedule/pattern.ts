/**
 * A cron pattern and the moments it means: the Open Cron Pattern Specification 1.4 through croner, 5 to 7 fields or a nickname.
 * Pure: no clock. What a change to summer time skips does not run; what a change back repeats runs once.
 */
import { Cron } from 'croner'

export type Pattern = {
  /** The first moment after `afterMs`, milliseconds of Unix time; `undefined`: never again. */
  next(afterMs: number): number | undefined
}

/** `@reboot` and what croner takes beside patterns (dates) are no schedules. */
const nicknames = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'])
const MIN_FIELDS = 5
const MAX_FIELDS = 7
/** Any moment will do to find out whether there is a next one at all. */
const SOME_MOMENT_MS = Date.UTC(2024, 0, 1)
/** All zones change their clocks at such a moment. */
const QUARTER_MS = 15 * 60_000
/** A change back repeats three hours at most, in all of history. */
const MAX_QUARTERS = 12
/** Of a pattern whose matches all lie in hours that are skipped: so many are looked at. */
const MAX_SKIPPED = 1000

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** A sentence where it makes no sense. */
export function readPattern(text: string, timezone: string): Pattern | string {
  const trimmed = text.trim()
  const fields = trimmed.split(/\s+/)
  if (trimmed.startsWith('@')) {
    if (!nicknames.has(trimmed.toLowerCase())) return `there is no ${trimmed}; there are ${[...nicknames].join(', ')}`
  } else if (fields.length < MIN_FIELDS || fields.length > MAX_FIELDS) {
    return `it has ${trimmed === '' ? 0 : fields.length} fields instead of 5 (minute, hour, day of month, month, day of week), 6 with seconds before them or 7 with a year behind them`
  }
  if (!isTimezone(timezone)) return `"${timezone}" is not a time zone like Europe/Paris or UTC`
  let cron: Cron
  try {
    // Never given anything to run: it holds no timer. A fresh options object each time: croner changes it.
    // To croner 10.0.1 a question mark makes the other field of days a star, too: `0 12 ? * WED` would run every day.
    cron = new Cron(fields.join(' ').replaceAll('?', '*'), { timezone, paused: true })
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/^CronPattern: /, '')
  }
  const next = (afterMs: number): number | undefined => nextOf(cron, afterMs)
  // A pattern with a year may lie in the past of any moment but the first.
  if (next(SOME_MOMENT_MS) === undefined && cron.nextRun(new Date(0)) === null) return 'no such moment will ever come'
  return { next }
}

/**
 * croner moves what summer time skips to a later hour, which its own `match` denies; and asked from within a repeated
 * hour it may answer with the first of the two, which is over.
 */
function nextOf(cron: Cron, afterMs: number): number | undefined {
  let fromMs = afterMs
  for (let tries = 0; tries < MAX_SKIPPED; tries++) {
    const found = cron.nextRun(new Date(fromMs))?.getTime()
    if (found === undefined) return undefined
    if (found <= fromMs) {
      const onMs = leaveRepeatedHour(cron, fromMs)
      if (cron.match(new Date(onMs))) return onMs
      fromMs = onMs
    } else if (cron.match(new Date(found))) return found
    else fromMs = found
  }
  return undefined
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

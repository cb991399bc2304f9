/** Durations in labels and annotations, as Go writes them: `90s`, `5m`, `1h30m`, `250ms`. */
import { BrambleError } from '../lib/errors.ts'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const whole = /^(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h))+$/

/** Milliseconds. `INVALID` names the culprit, `what`. Source: Go, time.ParseDuration, without its finest units. */
export function parseGoDuration(text: string, what: string): number {
  if (text === '0') return 0
  if (!whole.test(text)) {
    throw new BrambleError('INVALID', `${what} must be a duration like 30s, 5m or 1h30m, not "${text}"`)
  }
  return [...text.matchAll(/([0-9.]+)(ms|s|m|h)/g)]
    .reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0), 0)
}

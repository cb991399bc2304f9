/** Durations as OpenFaaS's labels, annotations and headers hold them: Go's `1m30s`, or whole seconds. */
import { BrambleError } from '../lib/errors.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds. `INVALID` names `what`. */
export function parseGoDuration(text: string, what: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000
  const parts = [...text.matchAll(/([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) {
    throw new BrambleError('INVALID', `${what} "${text.slice(0, 40)}" is not a duration: write it like 30s, 500ms or 1m30s`)
  }
  return Math.round(parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ''] ?? NaN), 0))
}

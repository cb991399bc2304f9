/** How a replica's end is timed, out of the time limits the function's own server has. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'

export type Timing = {
  /**
   * The replica goes on as before for so long after it has left the rotation: its calls end meanwhile, also those of
   * servers that end at once when they are told to (of-watchdog). Cut short as soon as the data path says it is drained.
   */
  readonly preStopSeconds: number
  readonly graceSeconds: number
}

/** The watchdogs' and our runtime's own default. */
const DEFAULT_LONGEST_SECONDS = 30
/** From being told to end until it must have: our runtime accepts for two seconds more, a Zero 2W is slow. */
const END_SECONDS = 15
/** A call cannot take longer than that anyway: nobody waits for a node that long. */
const MAX_LONGEST_SECONDS = 24 * 3600
const unitSeconds: Readonly<Record<string, number>> = { ms: 1e-3, s: 1, m: 60, h: 3600 }

export function timingOf(spec: Pick<FunctionSpec, 'envVars'>): Timing {
  const { exec_timeout: exec, write_timeout: write } = spec.envVars
  const longest = [exec, write].flatMap((text) => (text ? parseSeconds(text) ?? [] : [])).filter((seconds) => seconds > 0)
  const preStopSeconds = Math.min(MAX_LONGEST_SECONDS, Math.ceil(longest.length > 0 ? Math.max(...longest) : DEFAULT_LONGEST_SECONDS))
  return { preStopSeconds, graceSeconds: preStopSeconds + END_SECONDS }
}

/** Seconds out of a Go duration or a whole number of seconds; `undefined` for anything else. */
export function parseSeconds(text: string): number | undefined {
  if (/^[0-9]{1,7}$/.test(text)) return Number(text)
  const parts = [...text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) return undefined
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitSeconds[unit ?? ''] ?? 0), 0)
}

/** `INVALID` names the annotation. */
export function secondsOf(text: string, what: string): number {
  const seconds = parseSeconds(text)
  if (seconds === undefined) throw new BrambleError('INVALID', `${what} must be a number of seconds or a duration like 30s, not "${text}"`)
  return seconds
}

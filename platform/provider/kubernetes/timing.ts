/** How a replica's end is timed, out of the time limits the function's own server has. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'

export type Timing = {
  /** The replica goes on as before for so long after it has been told to go, and has left the rotation. */
  readonly preStopSeconds: number
  /** How long our runtime lets calls end after that; `undefined` for others, which end at once or by rules of their own. */
  readonly shutdownSeconds: number | undefined
  /** How long our runtime goes on accepting after it has been told to end; `undefined` for its own default. */
  readonly acceptMs: number | undefined
  readonly graceSeconds: number
}

/** What our template starts; an image that was made otherwise does not send it. */
export const TEMPLATE_PROCESS = 'node index.mjs'
/** The watchdogs' and our runtime's own default. */
const DEFAULT_LONGEST_SECONDS = 30
/** Every gateway has heard of it by then, one with a slow API server, too. */
const NEWS_SECONDS = 5
/** With a volume the new replica waits for the old one's end, and callers for the new one: no longer than they are held. */
const HAND_OVER_SECONDS = 1
const HAND_OVER_ACCEPT_MS = 500
/** From the last call to the end: saving what there is to save, on a slow board. */
const END_SECONDS = 10
/** A call cannot take longer than that anyway: nobody waits for a node that long. */
const MAX_LONGEST_SECONDS = 24 * 3600
const unitSeconds: Readonly<Record<string, number>> = { ms: 1e-3, s: 1, m: 60, h: 3600 }

/**
 * Our runtime finishes its calls when it is told to end, so it is told soon. Others (of-watchdog, any server) may drop
 * theirs: they are told when the longest call must be over.
 */
export function timingOf({ envProcess, envVars }: Pick<FunctionSpec, 'envProcess' | 'envVars'>, hasVolume: boolean): Timing {
  const limits = [envVars['exec_timeout'], envVars['write_timeout']].flatMap((text) => (text ? parseSeconds(text) ?? [] : [])).filter((seconds) => seconds > 0)
  const longest = Math.min(MAX_LONGEST_SECONDS, Math.ceil(limits.length > 0 ? Math.max(...limits) : DEFAULT_LONGEST_SECONDS))
  if (envProcess !== TEMPLATE_PROCESS) {
    const preStopSeconds = hasVolume ? Math.min(longest, NEWS_SECONDS) : longest
    return { preStopSeconds, shutdownSeconds: undefined, acceptMs: undefined, graceSeconds: preStopSeconds + END_SECONDS }
  }
  const preStopSeconds = hasVolume ? HAND_OVER_SECONDS : NEWS_SECONDS
  const own = parseSeconds(envVars['shutdown_timeout'] ?? '')
  const shutdownSeconds = own === undefined || own === 0 ? longest + 1 : Math.ceil(own)
  return {
    preStopSeconds, shutdownSeconds, acceptMs: hasVolume ? HAND_OVER_ACCEPT_MS : undefined,
    graceSeconds: preStopSeconds + shutdownSeconds + END_SECONDS,
  }
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

/** How long a function may take to end, read from its own settings. Pure. */
import type { FunctionSpec } from '../../openfaas/types.ts'
import type { Settings } from './settings.ts'

/** A call that ends at its timeout still has to send its answer. */
const MARGIN_MS = 1_000
const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** From leaving the route to SIGTERM. */
export function drainMsOf(spec: FunctionSpec, settings: Settings): number {
  const timeouts = ['exec_timeout', 'write_timeout'].map((name) => durationMs(spec.envVars[name]) ?? 0)
  const longest = Math.max(...timeouts)
  return longest > 0 ? longest + MARGIN_MS : settings.drainMs
}

/** From SIGTERM to SIGKILL. */
export function graceMsOf(spec: FunctionSpec, settings: Settings): number {
  const own = durationMs(spec.envVars['shutdown_timeout'])
  return own === undefined || own === 0 ? settings.graceMs : own + MARGIN_MS
}

/** How long a replica may answer nothing at all: a call may keep it busy for the function's own timeout. */
export function silenceMsOf(spec: FunctionSpec, settings: Settings): number {
  return Math.max(settings.unresponsiveAfterMs, (durationMs(spec.envVars['exec_timeout']) ?? 0) + MARGIN_MS)
}

/** `90`, `1m30s`, `500ms`: whole seconds or a duration as OpenFaaS writes it. */
function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[0-9]{1,6}$/.test(text)) return Number(text) * 1_000
  if (!/^([0-9]{1,6}(\.[0-9]{1,3})?(ms|h|m|s))+$/.test(text)) return undefined
  return [...text.matchAll(/([0-9.]+)(ms|h|m|s)/g)]
    .reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitsMs[unit ?? ''] ?? 0), 0)
}

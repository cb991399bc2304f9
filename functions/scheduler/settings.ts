/** Every setting of the service; reading is pure and reports all bad ones at once. The README's table is compared with it by a test. */

export type Settings = {
  /** Calls of functions go through it. */
  readonly gatewayUrl: string
  readonly dataUrl: string
  readonly database: string
  /** Patterns of function names that jobs may call: `*` stands for any text. */
  readonly allowedFunctions: readonly string[]
  /** Prefixes of URLs that jobs may call. */
  readonly allowedUrls: readonly string[]
  /** `host` or `host:port` that may be private. */
  readonly privateHosts: readonly string[]
  /** Patterns of functions that are shown the service token. */
  readonly tokenFunctions: readonly string[]
  readonly leaseMs: number
  readonly lookEveryMs: number
  readonly maxRunning: number
  readonly maxWaiting: number
  readonly queueConcurrency: number
  readonly historyRuns: number
  readonly historyMs: number
  readonly deadLetterMs: number
  /** How often what is over is removed. */
  readonly tidyEveryMs: number
}

type Env = Readonly<Record<string, string | undefined>>

const unitsInMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Shorter ones would be renewed all the time; longer ones keep a job of a killed replica waiting. */
const MIN_LEASE_MS = 1500
const MAX_LEASE_MS = 300_000
/** One transaction takes the results of all of them. */
const MAX_RUNNING = 200

/** The settings, or a sentence for each bad one. */
export function readSettings(env: Env): { readonly settings: Settings; readonly problems: readonly string[] } {
  const problems: string[] = []
  const text = (name: string, fallback: string): string => env[name]?.trim() || fallback
  const bad = (name: string, value: string, want: string): void => { problems.push(`${name}=${JSON.stringify(value)} is not ${want}`) }
  const duration = (name: string, fallback: string, minMs: number, maxMs: number): number => {
    const value = text(name, fallback)
    const [, digits, unit] = /^(\d{1,6})(ms|[smhd])$/.exec(value) ?? []
    const ms = Number(digits ?? NaN) * (unitsInMs[unit ?? ''] ?? NaN)
    if (!(ms >= minMs && ms <= maxMs)) bad(name, value, `a duration like 15s, 10m or 30d, from ${minMs} ms to ${maxMs} ms`)
    return ms
  }
  const whole = (name: string, fallback: number, min: number, max: number): number => {
    const value = text(name, String(fallback))
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < min || number > max) bad(name, value, `a whole number from ${min} to ${max}`)
    return number
  }
  const url = (name: string, fallback: string): string => {
    const value = text(name, fallback).replace(/\/+$/, '')
    const parsed = URL.parse(value)
    if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '') bad(name, value, 'an http or https URL without query')
    return value
  }
  const list = (name: string, fallback: string, form: RegExp, want: string): readonly string[] => {
    const parts = text(name, fallback).split(',').map((part) => part.trim()).filter((part) => part !== '')
    for (const part of parts) if (!form.test(part)) bad(name, part, want)
    return parts
  }
  const name = /^[-a-z0-9.*]+$/

  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gatewayUrl = url('gateway_url', 'http://gateway.openfaas:8080')
  const settings: Settings = {
    gatewayUrl,
    dataUrl: url('data_url', `${gatewayUrl}/function/data`),
    database: text('database', 'scheduler'),
    allowedFunctions: list('allowed_functions', '*', name, 'a list of function names like album,report-*'),
    allowedUrls: list('allowed_urls', '', /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/, 'a list of URL prefixes like https://api.example.org/hooks/'),
    privateHosts: list('private_hosts', '', /^[-a-z0-9.]+(?::\d{1,5})?$|^\[[0-9a-f:]+\](?::\d{1,5})?$/, 'a list of hosts like nas.local:8080'),
    tokenFunctions: list('token_functions', '', name, 'a list of function names like album,report-*'),
    leaseMs: duration('lease', '15s', MIN_LEASE_MS, MAX_LEASE_MS),
    lookEveryMs: duration('look_every', '10s', 100, 3_600_000),
    maxRunning: whole('max_running', 32, 1, MAX_RUNNING),
    maxWaiting: whole('max_waiting', 10_000, 1, 100_000),
    queueConcurrency: whole('queue_concurrency', 10, 1, 1000),
    historyRuns: whole('history_runs', 100, 1, 10_000),
    historyMs: duration('history_time', '30d', 1000, 3650 * 86_400_000),
    deadLetterMs: duration('dead_letter_time', '90d', 1000, 3650 * 86_400_000),
    tidyEveryMs: duration('tidy_every', '10m', 1000, 86_400_000),
  }
  return { settings, problems }
}

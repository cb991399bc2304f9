/** Every setting of the service; reading is pure and reports all bad ones at once. The README's table is compared with it by a test. */
import { createSettingsReader, type Env, spanOf } from '@bramble/runtime/service/settings'

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

const DEFAULTS = {
  gateway_url: 'http://gateway.openfaas:8080', data_url: '', database: 'scheduler', allowed_functions: '*', allowed_urls: '', private_hosts: '',
  token_functions: '', lease: '15s', look_every: '10s', max_running: '32', max_waiting: '10000', queue_concurrency: '10', history_runs: '100',
  history_time: '30d', dead_letter_time: '90d', tidy_every: '10m',
} as const
type Name = keyof typeof DEFAULTS

/** Shorter ones would be renewed all the time; longer ones keep a job of a killed replica waiting. */
const MIN_LEASE_MS = 1500
const MAX_LEASE_MS = 300_000
/** One transaction takes the results of all of them. */
const MAX_RUNNING = 200

/** The settings, or a sentence for each bad one. */
export function readSettings(env: Env): { readonly settings: Settings; readonly problems: readonly string[] } {
  const { text, read, whole, url, problems } = createSettingsReader(env, DEFAULTS)
  const duration = (name: Name, minMs: number, maxMs: number): number => {
    const within = (given: string): number | undefined => {
      const ms = spanOf(given)
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
    }
    return read(name, within, `a duration like 15s, 10m or 30d, from ${minMs} ms to ${maxMs} ms`, minMs)
  }
  const list = (name: Name, form: RegExp, want: string): readonly string[] => {
    const parts = text(name).split(',').map((part) => part.trim()).filter((part) => part !== '')
    for (const part of parts) if (!form.test(part)) problems.push(`${name}=${JSON.stringify(part)} is not ${want}`)
    return parts
  }
  const name = /^[-a-z0-9.*]+$/

  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gatewayUrl = url('gateway_url')
  const settings: Settings = {
    gatewayUrl,
    dataUrl: url('data_url', `${gatewayUrl}/function/data`),
    database: text('database'),
    allowedFunctions: list('allowed_functions', name, 'a list of function names like album,report-*'),
    allowedUrls: list('allowed_urls', /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/, 'a list of URL prefixes like https://api.example.org/hooks/'),
    privateHosts: list('private_hosts', /^[-a-z0-9.]+(?::\d{1,5})?$|^\[[0-9a-f:]+\](?::\d{1,5})?$/, 'a list of hosts like nas.local:8080'),
    tokenFunctions: list('token_functions', name, 'a list of function names like album,report-*'),
    leaseMs: duration('lease', MIN_LEASE_MS, MAX_LEASE_MS),
    lookEveryMs: duration('look_every', 100, 3_600_000),
    maxRunning: whole('max_running', 1, MAX_RUNNING),
    maxWaiting: whole('max_waiting', 1, 100_000),
    queueConcurrency: whole('queue_concurrency', 1, 1000),
    historyRuns: whole('history_runs', 1, 10_000),
    historyMs: duration('history_time', 1000, 3650 * 86_400_000),
    deadLetterMs: duration('dead_letter_time', 1000, 3650 * 86_400_000),
    tidyEveryMs: duration('tidy_every', 1000, 86_400_000),
  }
  return { settings, problems }
}

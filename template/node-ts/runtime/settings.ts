/** Every setting of a function's process. Reading is pure and reports all bad ones at once. */
import { parseDurationMs } from './duration.ts'

export type Settings = {
  /** Empty: every address of the machine. */
  readonly host: string
  readonly port: number
  readonly metricsPort: number
  /** For receiving a request; 0 = no limit, as everywhere below. */
  readonly readTimeoutMs: number
  /** For a client that does not read its answer. */
  readonly writeTimeoutMs: number
  /** For a whole call. */
  readonly execTimeoutMs: number
  /** Calls at a time. */
  readonly maxInflight: number
  /** Largest body that is read into memory for an `(event, context)` handler. */
  readonly bodyLimitBytes: number
  /** From the signal to the end. */
  readonly shutdownTimeoutMs: number
  /** How long a stopping function goes on accepting, while lists of endpoints lag. */
  readonly shutdownGraceMs: number
  /** Told, by a POST, that this replica serves; absent: nobody. A cluster learns its address half a second later. */
  readonly announceUrl: string | undefined
}

type Env = Readonly<Record<string, string | undefined>>

const MAX_PORT = 65_535
const MAX_INFLIGHT = 1_000_000
const MAX_BODY_BYTES = 1024 ** 3
const sizeUnits: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }

/** The settings, or one sentence for each bad one. */
export function readSettings(env: Env): { settings: Settings; problems: string[] } {
  const problems: string[] = []

  const read = (name: string, fallback: string, parse: (text: string) => number | undefined, want: string): number => {
    const text = env[name]?.trim() || fallback
    const value = parse(text)
    if (value === undefined) problems.push(`${name}=${JSON.stringify(text)} is not ${want}`)
    return value ?? 0
  }
  const duration = (name: string, fallback: string): number =>
    read(name, fallback, parseDurationMs, 'a duration like 10s, 500ms or 1m30s')
  const count = (name: string, fallback: string, max: number): number =>
    read(name, fallback, (text) => wholeNumber(text, max), `a whole number from 0 to ${max}`)

  const settings = {
    host: env['host']?.trim() ?? '',
    port: count('port', '8080', MAX_PORT),
    metricsPort: count('metrics_port', '8081', MAX_PORT),
    readTimeoutMs: duration('read_timeout', '30s'),
    writeTimeoutMs: duration('write_timeout', '30s'),
    execTimeoutMs: duration('exec_timeout', '30s'),
    maxInflight: count('max_inflight', '0', MAX_INFLIGHT),
    bodyLimitBytes: read('body_limit', '6Mi', sizeInBytes, 'a size like 500k, 6Mi or 1048576, at most 1Gi'),
    shutdownTimeoutMs: duration('shutdown_timeout', '30s'),
    shutdownGraceMs: duration('shutdown_grace', '2s'),
    announceUrl: env['announce_url'],
  }
  return { settings, problems }
}

function wholeNumber(text: string, max: number): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && value <= max ? value : undefined
}

function sizeInBytes(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)(|k|m|g|ki|mi|gi)b?$/i.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const bytes = Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 0)
  return bytes <= MAX_BODY_BYTES ? bytes : undefined
}

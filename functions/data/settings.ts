/** Every setting of the data service, from the environment; all bad ones are told at once. */
import { join } from 'node:path'
import type { EngineSettings } from './engine/engine.ts'
import { defaultLimits, type EngineLimits } from './engine/limits.ts'

export type DataSettings = {
  readonly engine: EngineSettings
  readonly limits: EngineLimits
  /** Of a query, a transaction or a list of migrations, as JSON. */
  readonly maxRequestBytes: number
}

type Env = Readonly<Record<string, string | undefined>>
type Parser<T> = (text: string) => T | undefined

const sizeUnits: Readonly<Record<string, number>> = { '': 1, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }
const timeUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_COUNT = 1_000_000
const DEFAULT_REQUEST_BYTES = 8 * 1024 ** 2
/** What may be lost with the board. */
const DEFAULT_COPY_EVERY_MS = 60_000

/** Throws one error with a sentence for each bad setting. */
export function readSettings(env: Env): DataSettings {
  const problems: string[] = []
  const read = <T>(name: string, fallback: T, parse: Parser<T>, want: string): T => {
    const text = env[name]?.trim() ?? ''
    if (text === '') return fallback
    const value = parse(text)
    if (value === undefined) problems.push(`${name}=${JSON.stringify(text)} is not ${want}`)
    return value ?? fallback
  }
  const size = (name: string, fallback: number): number => read(name, fallback, sizeOf, 'a size like 500Ki, 64Mi or 1Gi')
  const duration = (name: string, fallback: number): number => read(name, fallback, durationOf, 'a time like 500ms, 10s, 30m, 12h or 7d')
  const count = (name: string, fallback: number): number => read(name, fallback, countOf, `a whole number from 1 to ${MAX_COUNT}`)

  const limits: EngineLimits = {
    databaseBytes: size('max_database_size', defaultLimits.databaseBytes),
    databases: count('max_databases', defaultLimits.databases),
    heapBytes: size('max_statement_memory', defaultLimits.heapBytes),
    waiting: count('max_waiting', defaultLimits.waiting),
    timeoutMs: duration('max_statement_time', defaultLimits.timeoutMs),
    rows: count('max_rows', defaultLimits.rows),
    resultBytes: size('max_result_size', defaultLimits.resultBytes),
    snapshotEveryBytes: size('snapshot_every', defaultLimits.snapshotEveryBytes),
    historyMs: duration('history_time', defaultLimits.historyMs),
    historyBytes: size('history_size', defaultLimits.historyBytes),
  }
  const copyTo = read('copy_to', '', copyTargetOf, 'a folder like /mnt/copies, or an http(s) URL with {key} in it')
  const copyEveryMs = duration('copy_every', DEFAULT_COPY_EVERY_MS)
  const settings: DataSettings = {
    engine: {
      folder: folderOf(env),
      trustsFolder: read('trust_folder', false, flagOf, 'true or false'),
      limits,
      copies: copyTo === '' ? undefined : { to: copyTo, everyMs: copyEveryMs },
    },
    limits,
    maxRequestBytes: size('max_request_size', DEFAULT_REQUEST_BYTES),
  }
  if (problems.length > 0) throw new Error(problems.join('; '))
  return settings
}

/** In a folder of its own on the function's volume; the platform says where that is. */
function folderOf(env: Env): string {
  const own = env['data_folder']?.trim() ?? ''
  const volume = env['volume_path']?.trim() ?? ''
  return own !== '' || volume === '' ? own : join(volume, 'databases')
}

function sizeOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12})(|ki|mi|gi)$/i.exec(text) ?? []
  return digits === '' || Number(digits) === 0 ? undefined : Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 1)
}

function durationOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === '' || Number(digits) === 0 ? undefined : Number(digits) * (timeUnits[unit] ?? 1)
}

function countOf(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= 1 && value <= MAX_COUNT ? value : undefined
}

function copyTargetOf(text: string): string | undefined {
  if (text.startsWith('/')) return text
  return URL.canParse(text) && /^https?:/.test(text) && text.includes('{key}') ? text : undefined
}

function flagOf(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

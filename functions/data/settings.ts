/** Every setting of the data service, from the environment; all bad ones are told at once. */
import type { EngineSettings } from './engine/engine.ts'

export type DataSettings = {
  readonly engine: EngineSettings
  /** Of a query, a transaction or a list of migrations, as JSON. */
  readonly maxRequestBytes: number
}

type Env = Readonly<Record<string, string | undefined>>
type Parser<T> = (text: string) => T | undefined

const sizeUnits: Readonly<Record<string, number>> = { '': 1, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }
const timeUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_COUNT = 1_000_000

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

  const settings: DataSettings = {
    engine: {
      // What the platform says of the function's volume; a cluster mounts it where the stack file wants it.
      folder: env['data_folder']?.trim() || env['volume_path']?.trim() || '',
      trustsFolder: read('trust_folder', false, flagOf, 'true or false'),
      limits: {
        databaseBytes: size('max_database_size', 64 * 1024 ** 2),
        databases: count('max_databases', 64),
        waiting: count('max_waiting', 1000),
        timeoutMs: duration('max_statement_time', 5000),
        rows: count('max_rows', 10_000),
        resultBytes: size('max_result_size', 8 * 1024 ** 2),
        snapshotEveryBytes: size('snapshot_every', 16 * 1024 ** 2),
        historyMs: duration('history_time', 7 * 86_400_000),
        historyBytes: size('history_size', 256 * 1024 ** 2),
      },
    },
    maxRequestBytes: size('max_request_size', 8 * 1024 ** 2),
  }
  if (problems.length > 0) throw new Error(problems.join('; '))
  return settings
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

function flagOf(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

/** Every setting of the data service, from the environment; all bad ones are told at once. */
import { join } from 'node:path'
import { createSettingsReader, type Env, throwProblems } from '@bramble/runtime/service/settings'
import type { EngineSettings } from './engine/engine.ts'
import { defaultLimits, type EngineLimits } from './engine/limits.ts'

export type DataSettings = {
  readonly engine: EngineSettings
  readonly limits: EngineLimits
  /** Of a query, a transaction or a list of migrations, as JSON. */
  readonly maxRequestBytes: number
}

const MAX_COUNT = 1_000_000
const DEFAULT_REQUEST_BYTES = 8 * 1024 ** 2
/** What may be lost with the board. */
const DEFAULT_COPY_EVERY_MS = 60_000

/** Throws one error with a sentence for each bad setting. */
export function readSettings(env: Env): DataSettings {
  // Defaults are those of the engine, and no texts.
  const { read, sizeBytes: size, timeMs: duration, whole, flag, problems } = createSettingsReader<Readonly<Record<string, string>>>(env, {})
  const count = (name: string, fallback: number): number => whole(name, 1, MAX_COUNT, fallback)

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
  const copyTo = read('copy_to', copyTargetOf, 'a folder like /mnt/copies, or an http(s) URL with {key} in it', '')
  const copyEveryMs = duration('copy_every', DEFAULT_COPY_EVERY_MS)
  const settings: DataSettings = {
    engine: {
      folder: folderOf(env),
      trustsFolder: flag('trust_folder'),
      limits,
      copies: copyTo === '' ? undefined : { to: copyTo, everyMs: copyEveryMs },
    },
    limits,
    maxRequestBytes: size('max_request_size', DEFAULT_REQUEST_BYTES),
  }
  throwProblems(problems)
  return settings
}

/** In a folder of its own on the function's volume; the platform says where that is. */
function folderOf(env: Env): string {
  const own = env['data_folder']?.trim() ?? ''
  const volume = env['volume_path']?.trim() ?? ''
  return own !== '' || volume === '' ? own : join(volume, 'databases')
}

function copyTargetOf(text: string): string | undefined {
  if (text.startsWith('/')) return text
  return URL.canParse(text) && /^https?:/.test(text) && text.includes('{key}') ? text : undefined
}

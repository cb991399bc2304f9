/** Every setting of the files service, from the environment; all bad ones are told at once. The README's table is compared with it. */
import { join } from 'node:path'
import { createSettingsReader, type Env, throwProblems, timeOf, WANTED_TIME } from '@bramble/runtime/service/settings'

export type Settings = {
  /** On the function's volume; empty: there is none. */
  readonly folder: string
  readonly trustsFolder: boolean
  readonly gatewayUrl: string
  readonly dataUrl: string
  readonly database: string
  readonly jwksUrl: string
  readonly issuer: string
  readonly audience: string
  readonly quotaBytes: number
  readonly maxFileBytes: number
  readonly minFreeBytes: number
  readonly maxVersions: number
  /** Of one owner. */
  readonly maxFiles: number
  readonly trashMs: number
  readonly uploadMs: number
  readonly linkMs: number
  readonly orphanMs: number
  /** How often what nobody needs is removed, and a scrub begun that is due. */
  readonly upkeepEveryMs: number
  /** `undefined`: never by itself. */
  readonly scrubEveryMs: number | undefined
  readonly scrubBytesPerSecond: number
  /** Empty: no thumbnails. */
  readonly thumbnailFunction: string
}

export const DEFAULTS = {
  data_folder: '', trust_folder: 'false', data_url: '', database: 'files', auth_url: '', issuer: 'http://127.0.0.1:8080/function/auth', audience: 'bramble',
  quota: '1Gi', max_file_size: '4Gi', min_free: '64Mi', max_versions: '10', max_files: '10000', trash_time: '30d', upload_time: '24h', link_time: '30d',
  orphan_time: '1h', upkeep_every: '10m', scrub_every: '30d', scrub_speed: '4Mi', thumbnail_function: '',
} as const

const MAX_VERSIONS = 1000
const MAX_FILES = 9_999_999
/** What a timer can wait: 32 bits of milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Throws one error with a sentence for each bad setting. */
export function readSettings(env: Env): Settings {
  const { text, read, sizeBytes: size, timeMs: time, whole, flag, url, problems } = createSettingsReader(env, DEFAULTS)
  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gatewayUrl = (env['gateway_url']?.trim() || 'http://gateway.openfaas:8080').replace(/\/+$/, '')

  const volume = env['volume_path']?.trim() ?? ''
  const settings: Settings = {
    // In a folder of its own on the function's volume; the platform says where that is.
    folder: text('data_folder') || (volume === '' ? '' : join(volume, 'files')),
    trustsFolder: flag('trust_folder'),
    gatewayUrl,
    dataUrl: url('data_url', `${gatewayUrl}/function/data`),
    database: read('database', (given) => /^[a-z][a-z0-9_-]{0,62}$/.test(given) ? given : undefined, 'a small letter, then up to 62 of a-z, 0-9, _ and -', ''),
    jwksUrl: `${url('auth_url', `${gatewayUrl}/function/auth`)}/oauth/jwks`,
    issuer: url('issuer'),
    audience: text('audience'),
    quotaBytes: size('quota'),
    maxFileBytes: size('max_file_size'),
    minFreeBytes: size('min_free'),
    maxVersions: whole('max_versions', 1, MAX_VERSIONS),
    maxFiles: whole('max_files', 1, MAX_FILES),
    trashMs: time('trash_time'),
    uploadMs: time('upload_time'),
    linkMs: time('link_time'),
    orphanMs: time('orphan_time'),
    upkeepEveryMs: read('upkeep_every', (given) => Number(timeOf(given)) <= LONGEST_TIMER_MS ? timeOf(given) : undefined, 'a time like 10s, 30m or 12h, at most 24d', 0),
    scrubEveryMs: read('scrub_every', (given) => given === 'never' ? { ms: undefined } : wrap(timeOf(given)), `never, or ${WANTED_TIME}`, { ms: undefined }).ms,
    scrubBytesPerSecond: size('scrub_speed'),
    thumbnailFunction: read('thumbnail_function', (given) => /^[a-z0-9][a-z0-9.-]{0,126}$/.test(given) ? given : undefined, 'the name of a function', ''),
  }
  throwProblems(problems)
  return settings
}

function wrap(ms: number | undefined): { readonly ms: number } | undefined {
  return ms === undefined ? undefined : { ms }
}

/** Every setting of the files service, from the environment; all bad ones are told at once. The README's table is compared with it. */
import { join } from 'node:path'

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

type Env = Readonly<Record<string, string | undefined>>

export const DEFAULTS = {
  data_folder: '', trust_folder: 'false', data_url: '', database: 'files', auth_url: '', issuer: 'http://127.0.0.1:8080/function/auth', audience: 'bramble',
  quota: '1Gi', max_file_size: '4Gi', min_free: '64Mi', max_versions: '10', max_files: '10000', trash_time: '30d', upload_time: '24h', link_time: '30d',
  orphan_time: '1h', upkeep_every: '10m', scrub_every: '30d', scrub_speed: '4Mi', thumbnail_function: '',
} as const

const sizeUnits: Readonly<Record<string, number>> = { '': 1, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3, ti: 1024 ** 4 }
const timeUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_VERSIONS = 1000
/** What a timer can wait: 32 bits of milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Throws one error with a sentence for each bad setting. */
export function readSettings(env: Env): Settings {
  const problems: string[] = []
  const text = (name: keyof typeof DEFAULTS): string => env[name]?.trim() || DEFAULTS[name]
  const read = <T>(name: keyof typeof DEFAULTS, parse: (text: string) => T | undefined, want: string, instead: T): T => {
    const value = parse(text(name))
    if (value === undefined) problems.push(`${name}=${JSON.stringify(text(name))} is not ${want}`)
    return value ?? instead
  }
  const size = (name: keyof typeof DEFAULTS): number => read(name, sizeOf, 'a size like 500Ki, 64Mi or 1Gi', 0)
  const time = (name: keyof typeof DEFAULTS): number => read(name, timeOf, 'a time like 10s, 30m, 12h or 7d', 0)
  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gatewayUrl = (env['gateway_url']?.trim() || 'http://gateway.openfaas:8080').replace(/\/+$/, '')
  const url = (name: 'data_url' | 'auth_url' | 'issuer', fallback: string): string =>
    read(name, (given) => urlOf(given || fallback), 'an http or https URL without query', '')

  const volume = env['volume_path']?.trim() ?? ''
  const settings: Settings = {
    // In a folder of its own on the function's volume; the platform says where that is.
    folder: text('data_folder') || (volume === '' ? '' : join(volume, 'files')),
    trustsFolder: read('trust_folder', (given) => given === 'true' ? true : given === 'false' ? false : undefined, 'true or false', false),
    gatewayUrl,
    dataUrl: url('data_url', `${gatewayUrl}/function/data`),
    database: read('database', (given) => /^[a-z][a-z0-9_-]{0,62}$/.test(given) ? given : undefined, 'a small letter, then up to 62 of a-z, 0-9, _ and -', ''),
    jwksUrl: `${url('auth_url', `${gatewayUrl}/function/auth`)}/oauth/jwks`,
    issuer: url('issuer', ''),
    audience: text('audience'),
    quotaBytes: size('quota'),
    maxFileBytes: size('max_file_size'),
    minFreeBytes: size('min_free'),
    maxVersions: read('max_versions', (given) => /^\d{1,4}$/.test(given) && Number(given) >= 1 && Number(given) <= MAX_VERSIONS ? Number(given) : undefined, `a whole number from 1 to ${MAX_VERSIONS}`, 1),
    maxFiles: read('max_files', (given) => /^[1-9]\d{0,6}$/.test(given) ? Number(given) : undefined, 'a whole number from 1 to 9999999', 1),
    trashMs: time('trash_time'),
    uploadMs: time('upload_time'),
    linkMs: time('link_time'),
    orphanMs: time('orphan_time'),
    upkeepEveryMs: read('upkeep_every', (given) => Number(timeOf(given)) <= LONGEST_TIMER_MS ? timeOf(given) : undefined, 'a time like 10s, 30m or 12h, at most 24d', 0),
    scrubEveryMs: read('scrub_every', (given) => given === 'never' ? { ms: undefined } : wrap(timeOf(given)), 'never, or a time like 7d', { ms: undefined }).ms,
    scrubBytesPerSecond: size('scrub_speed'),
    thumbnailFunction: read('thumbnail_function', (given) => /^(?:[a-z0-9][a-z0-9.-]{0,126})?$/.test(given) ? given : undefined, 'the name of a function', ''),
  }
  if (problems.length > 0) throw new Error(problems.join('; '))
  return settings
}

function wrap(ms: number | undefined): { readonly ms: number } | undefined {
  return ms === undefined ? undefined : { ms }
}

function sizeOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,12})(|ki|mi|gi|ti)$/i.exec(text) ?? []
  const bytes = Number(digits) * (sizeUnits[unit.toLowerCase()] ?? 1)
  return digits === '' || bytes === 0 || !Number.isSafeInteger(bytes) ? undefined : bytes
}

function timeOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,7})(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === '' || Number(digits) === 0 ? undefined : Number(digits) * (timeUnits[unit] ?? 1)
}

function urlOf(text: string): string | undefined {
  const parsed = URL.parse(text)
  return parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '' ? undefined : text.replace(/\/+$/, '')
}

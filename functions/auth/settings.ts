/** Every setting of the service; reading is pure and reports all bad ones at once. The README's table is compared with it by a test. */
import type { Argon2Cost } from './password/phc.ts'

export type Settings = {
  /** Where the data service answers, and the database there. */
  readonly dataUrl: string
  readonly database: string
  /** The address of this service as the world sees it: `iss` of every token, and the base of every URL that is told. */
  readonly issuer: string
  readonly audience: string
  readonly serviceName: string
  readonly accessTokenMs: number
  readonly sessionIdleMs: number
  readonly sessionMaxMs: number
  readonly refreshGraceMs: number
  readonly keyRotationMs: number
  readonly verifyTokenMs: number
  readonly resetTokenMs: number
  readonly auditRetentionMs: number
  readonly passwordMinLength: number
  readonly argon2: Argon2Cost
  readonly hashConcurrency: number
  readonly hashQueue: number
  readonly adminEmail: string
  readonly smtpHost: string
  readonly smtpPort: number
  readonly smtpSecurity: 'tls' | 'starttls' | 'none'
  readonly smtpUser: string
  readonly mailFrom: string
  readonly verifyLink: string
  readonly resetLink: string
}

type Env = Readonly<Record<string, string | undefined>>

const unitsInMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_PORT = 65_535
/** OWASP's least for Argon2id is 7 MiB with 5 passes; beyond 256 MiB no board of ours could log anybody in. */
const MIN_ARGON2_KIB = 7168
const MAX_ARGON2_KIB = 262_144

/** The settings, or a sentence for each bad one. */
export function readSettings(env: Env): { readonly settings: Settings; readonly problems: readonly string[] } {
  const problems: string[] = []
  const text = (name: string, fallback: string): string => env[name]?.trim() || fallback
  const bad = (name: string, value: string, want: string): void => { problems.push(`${name}=${JSON.stringify(value)} is not ${want}`) }
  const duration = (name: string, fallback: string): number => {
    const value = text(name, fallback)
    const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(value) ?? []
    if (digits === undefined || unit === undefined) bad(name, value, 'a duration like 15m, 12h or 30d')
    return Number(digits ?? 0) * (unitsInMs[unit ?? ''] ?? 0)
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
  const link = (name: string): string => {
    const value = text(name, '')
    if (value !== '' && !(/^https?:\/\//.test(value) && value.includes('{token}'))) bad(name, value, 'an http or https URL with {token} in it')
    return value
  }
  const security = (name: string): Settings['smtpSecurity'] => {
    const value = text(name, 'starttls')
    if (value === 'tls' || value === 'starttls' || value === 'none') return value
    bad(name, value, 'tls, starttls or none')
    return 'starttls'
  }

  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gateway = text('gateway_url', 'http://gateway.openfaas:8080').replace(/\/+$/, '')
  const settings: Settings = {
    dataUrl: url('data_url', `${gateway}/function/data`),
    database: text('database', 'auth'),
    issuer: url('issuer', 'http://127.0.0.1:8080/function/auth'),
    audience: text('audience', 'bramble'),
    serviceName: text('service_name', 'Bramble'),
    accessTokenMs: duration('access_token_ttl', '15m'),
    sessionIdleMs: duration('session_idle', '30d'),
    sessionMaxMs: duration('session_max', '180d'),
    refreshGraceMs: duration('refresh_grace', '10s'),
    keyRotationMs: duration('key_rotation', '30d'),
    verifyTokenMs: duration('verify_token_ttl', '24h'),
    resetTokenMs: duration('reset_token_ttl', '30m'),
    auditRetentionMs: duration('audit_retention', '365d'),
    passwordMinLength: whole('password_min_length', 12, 8, 64),
    argon2: { memoryKib: whole('argon2_memory_kib', 12_288, MIN_ARGON2_KIB, MAX_ARGON2_KIB), passes: whole('argon2_passes', 3, 1, 100), parallelism: 1 },
    hashConcurrency: whole('hash_concurrency', 2, 1, 16),
    hashQueue: whole('hash_queue', 30, 0, 1000),
    adminEmail: text('admin_email', 'admin@bramble.local').toLowerCase(),
    smtpHost: text('smtp_host', ''),
    smtpPort: whole('smtp_port', 587, 1, MAX_PORT),
    smtpSecurity: security('smtp_security'),
    smtpUser: text('smtp_user', ''),
    mailFrom: text('mail_from', 'Bramble <no-reply@bramble.local>'),
    verifyLink: link('verify_link'),
    resetLink: link('reset_link'),
  }
  return { settings, problems }
}

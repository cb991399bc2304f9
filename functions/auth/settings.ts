/** Every setting of the service; reading is pure and reports all bad ones at once. The README's table is compared with it by a test. */
import { createSettingsReader, type Env, spanOf, WANTED_TIME } from '@bramble/runtime/service/settings'
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

const DEFAULTS = {
  gateway_url: 'http://gateway.openfaas:8080', data_url: '', database: 'auth', issuer: 'http://127.0.0.1:8080/function/auth', audience: 'bramble',
  service_name: 'Bramble', access_token_ttl: '15m', session_idle: '30d', session_max: '180d', refresh_grace: '10s', key_rotation: '30d',
  verify_token_ttl: '24h', reset_token_ttl: '30m', audit_retention: '365d', password_min_length: '12', argon2_memory_kib: '12288', argon2_passes: '3',
  hash_concurrency: '2', hash_queue: '30', admin_email: 'admin@bramble.local', smtp_host: '', smtp_port: '587', smtp_security: 'starttls', smtp_user: '',
  mail_from: 'Bramble <no-reply@bramble.local>', verify_link: '', reset_link: '',
} as const

const MAX_PORT = 65_535
/** OWASP's least for Argon2id is 7 MiB with 5 passes; beyond 256 MiB no board of ours could log anybody in. */
const MIN_ARGON2_KIB = 7168
const MAX_ARGON2_KIB = 262_144

/** The settings, or a sentence for each bad one. */
export function readSettings(env: Env): { readonly settings: Settings; readonly problems: readonly string[] } {
  const { text, read, whole, url, choice: security, problems } = createSettingsReader(env, DEFAULTS)
  // None at all is a time here.
  const duration = (name: keyof typeof DEFAULTS): number => read(name, spanOf, WANTED_TIME, 0)
  const link = (name: keyof typeof DEFAULTS): string =>
    read(name, (given) => /^https?:\/\//.test(given) && given.includes('{token}') ? given : undefined, 'an http or https URL with {token} in it', '')

  // A laptop says where the gateway is; on every OpenFaaS it has this name.
  const gateway = text('gateway_url').replace(/\/+$/, '')
  const settings: Settings = {
    dataUrl: url('data_url', `${gateway}/function/data`),
    database: text('database'),
    issuer: url('issuer'),
    audience: text('audience'),
    serviceName: text('service_name'),
    accessTokenMs: duration('access_token_ttl'),
    sessionIdleMs: duration('session_idle'),
    sessionMaxMs: duration('session_max'),
    refreshGraceMs: duration('refresh_grace'),
    keyRotationMs: duration('key_rotation'),
    verifyTokenMs: duration('verify_token_ttl'),
    resetTokenMs: duration('reset_token_ttl'),
    auditRetentionMs: duration('audit_retention'),
    passwordMinLength: whole('password_min_length', 8, 64),
    argon2: { memoryKib: whole('argon2_memory_kib', MIN_ARGON2_KIB, MAX_ARGON2_KIB), passes: whole('argon2_passes', 1, 100), parallelism: 1 },
    hashConcurrency: whole('hash_concurrency', 1, 16),
    hashQueue: whole('hash_queue', 0, 1000),
    adminEmail: text('admin_email').toLowerCase(),
    smtpHost: text('smtp_host'),
    smtpPort: whole('smtp_port', 1, MAX_PORT),
    smtpSecurity: security('smtp_security', ['tls', 'starttls', 'none']),
    smtpUser: text('smtp_user'),
    mailFrom: text('mail_from'),
    verifyLink: link('verify_link'),
    resetLink: link('reset_link'),
  }
  return { settings, problems }
}

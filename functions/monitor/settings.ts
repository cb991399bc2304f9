/** Every setting of the monitor, from the environment; all bad ones are told at once. The README's table is compared with it. */
import { createSettingsReader, type Env, throwProblems } from '@bramble/runtime/service/settings'

export type Settings = {
  /** Of the platform's API. */
  readonly gatewayUrl: string
  /** Where the gateway's own metrics are; absent: below the API, as Bramble has them. */
  readonly metricsUrl: string
  /** Empty: nothing survives a restart. */
  readonly folder: string
  readonly logRetentionMs: number
  readonly maxLogBytes: number
  readonly metricRetentionMs: number
  readonly maxMetricBytes: number
  /** Of lines and samples each, where there is no volume. */
  readonly memoryBytes: number
  readonly syncMs: number
  readonly linesPerSecond: number
  readonly burstLines: number
  readonly scrapeMs: number
  readonly maxSeries: number
  readonly maxPushBytes: number
  readonly queryMs: number
  readonly nodeName: string
  readonly remoteWriteUrl: string
  readonly alertWebhook: string
  readonly alertMailTo: string
  readonly alertGroupMs: number
  readonly alertRepeatMs: number
  readonly smtpHost: string
  readonly smtpPort: number
  readonly smtpSecurity: 'tls' | 'starttls' | 'none'
  readonly smtpUser: string
  readonly mailFrom: string
}

export const DEFAULTS = {
  gateway_url: 'http://gateway.openfaas:8080', metrics_url: 'none', log_retention: '14d', max_log_size: '512Mi', metric_retention: '30d',
  max_metric_size: '256Mi', memory_size: '8Mi', sync_every: '10s', lines_per_second: '500', burst_lines: '5000', scrape_every: '15s',
  max_series: '10000', max_push_size: '4Mi', query_time: '20s', node_name: 'this-board', remote_write_url: 'none', alert_webhook: 'none',
  alert_mail_to: 'none', alert_group_wait: '30s', alert_repeat: '4h', smtp_host: 'none', smtp_port: '587', smtp_security: 'starttls',
  smtp_user: 'none', mail_from: 'Bramble <no-reply@bramble.local>',
} as const

type Name = keyof typeof DEFAULTS

const MAX_COUNT = 1_000_000
const SECURITIES = ['tls', 'starttls', 'none'] as const

/** Throws one error with a sentence for each bad setting. */
export function readSettings(env: Env): Settings {
  const { read, sizeBytes: size, timeMs: time, whole, choice, problems } = createSettingsReader(env, DEFAULTS)
  const count = (name: Name): number => whole(name, 1, MAX_COUNT)
  const url = (name: Name): string => read(name, urlOf, 'an http or https URL', '')
  const word = (name: Name): string => read(name, (text) => text === 'none' ? '' : text, 'a text', '')

  const settings: Settings = {
    gatewayUrl: url('gateway_url'), metricsUrl: url('metrics_url'), folder: folderOf(env),
    logRetentionMs: time('log_retention'), maxLogBytes: size('max_log_size'),
    metricRetentionMs: time('metric_retention'), maxMetricBytes: size('max_metric_size'), memoryBytes: size('memory_size'),
    syncMs: time('sync_every'), linesPerSecond: count('lines_per_second'), burstLines: count('burst_lines'),
    scrapeMs: time('scrape_every'), maxSeries: count('max_series'), maxPushBytes: size('max_push_size'), queryMs: time('query_time'),
    nodeName: word('node_name'), remoteWriteUrl: url('remote_write_url'),
    alertWebhook: url('alert_webhook'), alertMailTo: word('alert_mail_to'), alertGroupMs: time('alert_group_wait'), alertRepeatMs: time('alert_repeat'),
    smtpHost: word('smtp_host'), smtpPort: count('smtp_port'),
    smtpSecurity: choice('smtp_security', SECURITIES),
    smtpUser: word('smtp_user'), mailFrom: word('mail_from'),
  }
  if (settings.alertMailTo !== '' && settings.smtpHost === '') problems.push('alert_mail_to is set, but smtp_host is not: who is to deliver the mail?')
  throwProblems(problems)
  return settings
}

/** In a folder of its own on the function's volume; the platform says where that is. */
function folderOf(env: Env): string {
  const volume = env['volume_path']?.trim() ?? ''
  return volume === '' ? '' : `${volume}/monitor`
}

function urlOf(text: string): string | undefined {
  if (text === 'none') return ''
  return URL.canParse(text) && /^https?:/.test(text) ? text.replace(/\/+$/, '') : undefined
}

import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULTS, readSettings } from '../../../functions/monitor/settings.ts'
import { cases, test } from '../../kit.ts'
import { startMonitor } from './started-monitor.ts'

const readme = readFileSync(join(import.meta.dirname, '../../../functions/monitor/README.md'), 'utf8')

test('without any setting all is well', () => {
  const { logRetentionMs, maxLogBytes, folder, remoteWriteUrl, metricsUrl } = readSettings({})
  assert.deepEqual([logRetentionMs, maxLogBytes, folder, remoteWriteUrl, metricsUrl], [14 * 86_400_000, 512 * 2 ** 20, '', '', ''])
  assert.equal(readSettings({ volume_path: '/data' }).folder, '/data/monitor')
})

cases('a bad setting stops the start with what it should be', [
  { name: 'no size', env: { max_log_size: 'much' }, says: /max_log_size="much" is not a size like/ },
  { name: 'no time', env: { log_retention: '14' }, says: /log_retention="14" is not a time like/ },
  { name: 'no URL', env: { alert_webhook: 'here' }, says: /alert_webhook="here" is not an http or https URL/ },
  { name: 'mail without a server', env: { alert_mail_to: 'me@example.org' }, says: /smtp_host is not: who is to deliver/ },
  { name: 'several', env: { max_series: '0', smtp_security: 'some' }, says: /max_series.*; smtp_security="some" is not tls, starttls or none/ },
], ({ env, says }) => assert.throws(() => readSettings(env), says))

test('the README tells every setting with its default', () => {
  const rows = [...readme.matchAll(/^\| `([a-z_]+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [name, value?.trim()])
  assert.deepEqual(Object.fromEntries(rows.filter(([name]) => name !== undefined && Object.hasOwn(DEFAULTS, name))), DEFAULTS)
})

test('a monitor without its token does not start', async () => {
  await assert.rejects(startMonitor({ secret_mount_path: '/nowhere' }), /secret service-token cannot be read/)
})

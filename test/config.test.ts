import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig, settings } from '../platform/config.ts'
import { cases, test } from './kit.ts'

test('the README lists every setting with its default and meaning, and no other', () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
  const listed = [...readme.matchAll(/^\| `([a-z_]+)` \| `([^`]+)` \| (.+) \|$/gm)].map(([, ...row]) => row)
  assert.deepEqual(listed, Object.entries(settings).map(([name, { fallback, meaning }]) => [name, fallback, meaning]))
})

test('an empty value means the default', () => {
  assert.equal(readConfig({ port: '' }).port, 8080)
  assert.equal(readConfig({ read_timeout: '  ' }).read_timeout, 65_000)
})

test('every bad setting is named in one error', () => {
  assert.throws(() => readConfig({ port: '99999', basic_auth: 'maybe', read_timeout: 'soon' }),
    /port="99999".*basic_auth="maybe".*read_timeout="soon"/s)
})

cases('a value is read', [
  { name: 'whole seconds', env: { read_timeout: '5' }, key: 'read_timeout', value: 5_000 },
  { name: 'a Go duration', env: { read_timeout: '1m30s' }, key: 'read_timeout', value: 90_000 },
  { name: 'milliseconds', env: { read_timeout: '250ms' }, key: 'read_timeout', value: 250 },
  { name: 'a size', env: { body_limit: '10Mi' }, key: 'body_limit', value: 10_485_760 },
  { name: 'a flag', env: { basic_auth: 'false' }, key: 'basic_auth', value: false },
] as const, ({ env, key, value }) => assert.equal(readConfig(env)[key], value))

cases('nonsense stops the program', [
  { name: 'a negative duration', env: { read_timeout: '-5s' } },
  { name: 'a duration of nothing', env: { read_timeout: '0s' } },
  { name: 'a duration longer than a timer can wait', env: { read_timeout: '999h' } },
  { name: 'a size without an amount', env: { body_limit: 'Mi' } },
  { name: 'an unknown provider', env: { provider: 'cloud' } },
  { name: 'a count of zero', env: { max_inflight: '0' } },
], ({ env }) => assert.throws(() => readConfig(env), { code: 'INVALID' }))

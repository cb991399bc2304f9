import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULTS, readSettings } from '../../../functions/files/settings.ts'
import { cases, test } from '../../kit.ts'

const readme = readFileSync(join(import.meta.dirname, '../../../functions/files/README.md'), 'utf8')

test('without any setting all is well, and there is no folder', () => {
  const settings = readSettings({})
  assert.deepEqual([settings.folder, settings.dataUrl, settings.jwksUrl, settings.quotaBytes, settings.scrubEveryMs],
    ['', 'http://gateway.openfaas:8080/function/data', 'http://gateway.openfaas:8080/function/auth/oauth/jwks', 2 ** 30, 30 * 24 * 3600 * 1000])
})

cases('a setting is read:', [
  { name: 'the folder is one of its own on the volume', env: { volume_path: '/data' }, key: 'folder', value: '/data/files' },
  { name: 'a folder of its own', env: { volume_path: '/data', data_folder: '/mnt/x' }, key: 'folder', value: '/mnt/x' },
  { name: 'the gateway of a laptop', env: { gateway_url: 'http://127.0.0.1:9000/' }, key: 'dataUrl', value: 'http://127.0.0.1:9000/function/data' },
  { name: 'no scrub', env: { scrub_every: 'never' }, key: 'scrubEveryMs', value: undefined },
  { name: 'a size', env: { quota: '500Mi' }, key: 'quotaBytes', value: 500 * 2 ** 20 },
] as const, ({ env, key, value }) => assert.equal(readSettings(env)[key], value))

test('all bad settings are told at once, each with what it should be', () => {
  const env = { quota: 'much', trash_time: '30', max_versions: '0', trust_folder: 'yes', thumbnail_function: '../x', auth_url: 'auth' }
  assert.throws(() => readSettings(env), ({ message }: Error) => message.split(' is not ').length === 7)
})

test('the README has every setting with its default, and no other', () => {
  const table = readme.slice(readme.indexOf('## Settings'), readme.indexOf('Secrets:'))
  const rows = table.split('\n').filter((line) => line.startsWith('| `')).flatMap((line) => {
    const [, names = '', values = ''] = line.split('|')
    const list = [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name ?? '')
    const defaults = list.length === 1 ? [values.trim()] : values.split(',').map((one) => one.trim())
    return list.map((name, i): [string, string] => [name, defaults[i] ?? ''])
  })
  assert.deepEqual(rows.map(([name]) => name).sort(), Object.keys(DEFAULTS).sort())
  for (const [name, value] of Object.entries(DEFAULTS)) if (value !== '') assert.equal(Object.fromEntries(rows)[name], value, name)
})

test('each test that the README names is there', () => {
  const checked: string[] = []
  const lists = readme.slice(readme.indexOf('## Attacks'), readme.indexOf('## Not here'))
  for (const line of lists.split('\n').filter((one) => one.startsWith('|'))) {
    let source = ''
    for (const [, file, name = ''] of (line.split('|').at(-2) ?? '').matchAll(/(?:([a-z-]+): )?\*([^*]+)\*/g)) {
      if (file !== undefined) source = readFileSync(join(import.meta.dirname, `${file}.test.ts`), 'utf8')
      assert.ok(source.includes(name.replace(/ …$/, '')), `${file} has no test "${name}"`)
      checked.push(name)
    }
  }
  assert.ok(checked.length >= 14, `${checked.length} tests`)
})

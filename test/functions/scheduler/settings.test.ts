/** The settings of the scheduler, and what its README says of them. */
import * as assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readSettings } from '../../../functions/scheduler/settings.ts'
import { test } from '../../kit.ts'

const folder = join(import.meta.dirname, '../../../functions/scheduler')
const readme = readFileSync(join(folder, 'README.md'), 'utf8')

test('without any setting all is well, URLs are closed, and everything is found through the gateway', () => {
  const { settings, problems } = readSettings({})
  assert.deepEqual(problems, [])
  assert.deepEqual([settings.dataUrl, settings.allowedFunctions, settings.allowedUrls, settings.privateHosts, settings.tokenFunctions],
    ['http://gateway.openfaas:8080/function/data', ['*'], [], [], []])
  assert.equal(readSettings({ gateway_url: 'http://127.0.0.1:9000/' }).settings.dataUrl, 'http://127.0.0.1:9000/function/data')
  assert.deepEqual([settings.leaseMs, settings.lookEveryMs, settings.historyMs], [15_000, 10_000, 30 * 86_400_000])
})

test('all bad settings are told at once, each with what it should be', () => {
  const { problems } = readSettings({
    lease: '1', look_every: '0s', max_running: '0', allowed_urls: 'ftp://x/,https://ok.example/', allowed_functions: 'a b', private_hosts: 'http://x', history_time: 'ever', data_url: 'data',
  })
  assert.equal(problems.length, 8)
  assert.ok(problems.every((problem) => / is not .+/.test(problem)), problems.join('\n'))
})

test('the README has every setting, and no other', () => {
  const source = readFileSync(join(folder, 'settings.ts'), 'utf8')
  const inSource = [...source.matchAll(/\b(?:text|duration|whole|url|list)\('(\w+)'/g)].map(([, name]) => name).filter((name) => name !== 'gateway_url')
  const table = readme.slice(readme.indexOf('## Settings'), readme.indexOf('## Limits'))
  const inReadme = table.split('\n').filter((line) => line.startsWith('| `')).flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  assert.deepEqual([...inReadme].sort(), [...new Set(inSource)].sort())
})

test('each test that the README names is there', () => {
  const tests = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.test.ts')).map((file) => [file.replace('.test.ts', ''), readFileSync(join(import.meta.dirname, file), 'utf8')] as const)
  const sources = new Map(tests)
  const table = readme.slice(readme.indexOf('## Attacks'), readme.indexOf('## Tests'))
  const named = [...table.matchAll(/(\w+): ((?:\*[^*]+\*(?:, )?)+)/g)].flatMap(([, file = '', names = '']) => [...names.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => [file, name] as const))
  assert.ok(named.length >= 15)
  for (const [file, name] of named) assert.ok(sources.get(file)?.includes(name.replace(/ …$/, '')), `${file}: ${name}`)
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readSettings } from '../../../functions/auth/settings.ts'
import { cases, test } from '../../kit.ts'

const folder = join(import.meta.dirname, '../../../functions/auth')
const readme = readFileSync(join(folder, 'README.md'), 'utf8')

test('without any setting all is well, and the data service is found through the gateway', () => {
  const { settings, problems } = readSettings({})
  assert.equal(problems, [])
  assert.is(settings.dataUrl, 'http://gateway.openfaas:8080/function/data')
  assert.is(readSettings({ gateway_url: 'http://127.0.0.1:9000/' }).settings.dataUrl, 'http://127.0.0.1:9000/function/data')
  assert.equal([settings.accessTokenMs, settings.argon2], [900_000, { memoryKib: 12_288, passes: 3, parallelism: 1 }])
})

test('all bad settings are told at once, each with what it should be', () => {
  const { problems } = readSettings({
    access_token_ttl: '15', argon2_memory_kib: '64', issuer: 'pi.local', verify_link: 'https://app.example/', smtp_security: 'ssl', smtp_port: '0', key_rotation: 'never',
  })
  assert.is(problems.length, 7)
  assert.ok(problems.every((problem) => / is not .+/.test(problem)))
})

cases('a setting is read:', [
  { name: 'an empty one has its default', env: { hash_queue: '' }, key: 'hashQueue', value: 30 },
  { name: 'hours', env: { access_token_ttl: '2h' }, key: 'accessTokenMs', value: 7_200_000 },
  { name: 'days', env: { key_rotation: '7d' }, key: 'keyRotationMs', value: 604_800_000 },
  { name: 'an issuer without its last slash', env: { issuer: 'https://pi.example/auth/' }, key: 'issuer', value: 'https://pi.example/auth' },
] as const, ({ env, key, value }) => {
  const { settings, problems } = readSettings(env)
  assert.equal(problems, [])
  assert.is(settings[key], value)
})

test('the README has every setting, and no other', () => {
  const source = readFileSync(join(folder, 'settings.ts'), 'utf8')
  const inSource = [...source.matchAll(/(?:text|duration|whole|url|link|security)\('(\w+)'/g)].map(([, name]) => name).filter((name) => name !== 'gateway_url')
  const table = readme.slice(readme.indexOf('## Settings'), readme.indexOf('## Argon2id'))
  const inReadme = table.split('\n').filter((line) => line.startsWith('| `')).flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  assert.equal([...inReadme].sort(), [...new Set(inSource)].sort())
})

test('each test that the README names is there', () => {
  const tests = new Map<string, string>()
  const checked: string[] = []
  const lists = readme.slice(readme.indexOf('## Attacks'), readme.indexOf('## Not here'))
  for (const line of lists.split('\n').filter((one) => one.startsWith('|'))) {
    let file = ''
    for (const [, named, name = ''] of (line.split('|').at(-2) ?? '').matchAll(/(?:([a-z0-9-]+): )?\*([^*]+)\*/g)) {
      file = named ?? file
      const text = tests.get(file) ?? readFileSync(join(import.meta.dirname, `${file}.test.ts`), 'utf8').replaceAll("\\'", "'")
      tests.set(file, text)
      // A case is named by the table and by its line: each part stands in the file.
      for (const part of name.split(' … ')) assert.ok(text.includes(part), `${file} has no test "${name}"`)
      checked.push(name)
    }
  }
  assert.ok(checked.length > 60, `${checked.length} tests`)
})

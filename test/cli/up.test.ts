import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { cases, eventually, test } from '../kit.ts'
import { stackOf, startPlatform, type TestPlatform } from './platform.ts'

const hello = { 'stack.yml': stackOf({ hello: '' }), 'hello/handler.ts': 'export default () => "one"\n' }
const call = async (platform: TestPlatform, path: string): Promise<string> => (await fetch(`${platform.url}/function/${path}`)).text()

test('up answers 0 when the new version serves', async () => {
  await using platform = await startPlatform(hello)
  await platform.at.write({ 'hello/handler.ts': 'export default () => "two"\n' })
  const { code, stderr } = await platform.bramble(['up'])
  assert.equal(code, 0, stderr)
  assert.equal(await call(platform, 'hello'), 'two')
  assert.match(stderr, new RegExp(`^hello: built .*\\n.*hello: updated, ready after .*  ${platform.url}/function/hello$`, 'm'))
})

test('up of a version that never becomes ready is 1, prints why, and leaves the old one serving', async () => {
  await using platform = await startPlatform(hello)
  await platform.at.write({ 'hello/handler.ts': 'throw new Error("planted in the new version")\nexport default () => 1\n' })
  const { code, stderr } = await platform.bramble(['up'])
  assert.equal(code, 1)
  assert.match(stderr, /^hello: \w+: /m)
  assert.match(stderr, /^    .*planted in the new version/m)
  assert.equal(await call(platform, 'hello'), 'one')
  const described = await platform.bramble(['describe', 'hello'])
  assert.equal(described.code, 0)
  assert.match(described.stdout, /planted in the new version/)
  assert.match((await platform.bramble(['list'])).stdout, /^hello +1\/1 .* UpdateFailed$/m)
})

test('up deploys what was built, and is 1 for what was not', async () => {
  await using platform = await startPlatform(hello)
  await platform.at.write({
    'stack.yml': stackOf({ hello: '', broken: '' }), 'broken/handler.ts': 'export default () => (\n',
    'hello/handler.ts': 'export default () => "two"\n',
  })
  const { code, stderr } = await platform.bramble(['up'])
  assert.equal(code, 1)
  assert.match(stderr, /^broken\/handler\.ts:2:1: unexpected end of file$/m)
  assert.equal(await call(platform, 'hello'), 'two')
  assert.equal((await platform.bramble(['list', '-q'])).stdout, 'hello\n')
})

cases('up is 1 when the gateway refuses', [
  { name: 'a secret that is not there', more: 'secrets: [nope]', says: /^hello: .*nope.*\(status 400\)$/m },
  { name: 'a namespace that is not there', more: 'namespace: nowhere', says: /^hello: .*nowhere.*\(status 400\)$/m },
  { name: 'a label that makes no sense', more: 'labels: {com.openfaas.scale.min: many}', says: /^hello: .*com\.openfaas\.scale\.min/m },
], async ({ more, says }) => {
  await using platform = await startPlatform(hello)
  await platform.at.write({ 'stack.yml': stackOf({ hello: more }) })
  const { code, stderr } = await platform.bramble(['up', '--skip-build'])
  assert.equal(code, 1)
  assert.match(stderr, says)
  assert.equal(await call(platform, 'hello'), 'one')
})

test('up names the command for each secret that is missing', async () => {
  await using platform = await startPlatform(hello)
  await platform.at.write({ 'stack.yml': stackOf({ hello: 'secrets: [nope, any]\nannotations: {bramble/generated-secrets: any}' }) })
  const first = await platform.bramble(['up', '--skip-build'])
  assert.equal(first.code, 1)
  const commands = [...first.stderr.matchAll(/^    make it with: bramble (.+)$/gm)].map(([, words = '']) => words.split(' '))
  assert.deepEqual(commands, [['secret', 'create', 'nope'], ['secret', 'create', 'any', '--generate']])
  for (const words of commands) assert.equal((await platform.bramble(words, { stdin: 'typed' })).code, 0)
  assert.equal((await platform.bramble(['up', '--skip-build'])).code, 0)
})

test('a secret, an environment and a namespace reach the function', async () => {
  await using platform = await startPlatform(hello)
  assert.equal((await platform.bramble(['secret', 'create', 'token'], { stdin: 's3cret\n' })).code, 0)
  await platform.at.write({
    'stack.yml': stackOf({ hello: 'secrets: [token]\nenvironment: {word: "${WORD:-none}"}' }),
    'hello/handler.ts': 'import { secret } from "@bramble/runtime"\nexport default async () => `${await secret("token")} ${process.env["word"]}`\n',
  })
  assert.equal((await platform.bramble(['up'], { env: { WORD: 'set' } })).code, 0)
  assert.equal(await call(platform, 'hello'), 's3cret set')
})

test('what one sees of a running function: calls, logs that go on, replicas, and its end', async () => {
  await using platform = await startPlatform({ ...hello, 'hello/handler.ts': 'export default (event: { body: unknown }) => { console.log(`got ${event.body}`); return "ok" }\n' })
  assert.deepEqual(await platform.bramble(['invoke', 'hello'], { stdin: 'first' }), { code: 0, stdout: 'ok', stderr: '' })
  const following = platform.at.start(['logs', 'hello', '-f'], { env: { OPENFAAS_URL: platform.url } })
  let seen = ''
  following.stdout.on('data', (chunk: Buffer) => { seen += chunk.toString() })
  await eventually('the old line is shown', () => seen.includes('got first'))
  await platform.bramble(['invoke', 'hello'], { stdin: 'second' })
  await eventually('the new line is shown', () => seen.includes('got second'))
  const closed = once(following, 'close')
  following.kill('SIGINT')
  await closed
  assert.equal((await platform.bramble(['scale', 'hello', '3'])).stdout, 'hello: 3 replicas ready\n')
  assert.match((await platform.bramble(['list'])).stdout, /^hello +3\/3 +2 /m)
  assert.match((await platform.bramble(['describe', 'hello'])).stdout, /^Memory: +\d+\.\d MiB$/m)
  assert.equal((await platform.bramble(['remove', 'hello'])).stdout, 'hello: removed\n')
  assert.equal((await platform.bramble(['list', '-q'])).stdout, '')
})

test('a program in another language runs from its copied folder', async () => {
  await using platform = await startPlatform({
    ...hello,
    'stack.yml': `${stackOf({ hello: '' })}  plain:\n    lang: javascript\n    fprocess: node server.mjs\n    handler: ./plain\n    image: test/plain:1\n`,
    'plain/server.mjs': `import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
createServer((_, res) => res.end(readFileSync('word.txt'))).listen(process.env.port, '127.0.0.1')\n`,
    'plain/word.txt': 'from a file',
  })
  assert.equal(await call(platform, 'plain'), 'from a file')
})

import * as assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from '../kit.ts'
import { createWorkplace } from './bramble.ts'
import { settings, stackOf, startIn, startPlatform } from './platform.ts'

const files = {
  'stack.yml': stackOf({ hello: '', other: '' }),
  'hello/handler.ts': 'export default () => "hi"\n',
  'other/handler.ts': 'export default () => "there"\n',
}

test('start builds, deploys, prints every URL, a curl that works and the new password; Ctrl-C stops it', async () => {
  await using platform = await startPlatform(files)
  const out = platform.stdout()
  for (const name of ['hello', 'other']) assert.match(out, new RegExp(`^  ${name} +${platform.url}/function/${name}$`, 'm'))
  const [, curl] = /curl (\S+)/.exec(out) ?? []
  assert.equal(await (await fetch(curl ?? '')).text(), 'hi')
  const [, password] = /^Password of user admin: (\S+) /m.exec(out) ?? []
  assert.equal(`${password}\n`, await platform.at.read('.bramble/basic-auth-password'))
  assert.equal((await platform.bramble(['list', '-q'])).stdout, 'hello\nother\n')
  assert.equal(await platform.stop(), 0)
})

test('the password is printed by the first start only', async () => {
  await using at = await createWorkplace(files)
  const first = await startIn(at)
  await first.stop()
  const second = await startIn(at)
  await second.stop()
  assert.deepEqual([first, second].map((one) => one.stdout().includes('Password')), [true, false])
})

test('start makes a secret of which the function says that any text will do, once', async () => {
  await using at = await createWorkplace({
    'stack.yml': stackOf({ hello: 'secrets: [any]\nannotations: {bramble/generated-secrets: "any, other"}', typed: 'secrets: [typed]' }),
    'hello/handler.ts': 'export default (_event, context) => context.secret("any")\n',
    'typed/handler.ts': 'export default () => 1\n',
  })
  const values: string[] = []
  for (const made of [true, false]) {
    const platform = await startIn(at)
    assert.equal(/^secret any: made/m.test(platform.stderr()), made)
    assert.match(platform.stderr(), /^typed: .*needs the secret typed.*\n    make it with: bramble secret create typed$/m)
    values.push(await (await fetch(`${platform.url}/function/hello`)).text())
    await platform.stop()
  }
  assert.match(values[0] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(values[0], values[1])
})

test('start gives a function that asks for it the user and password of the gateway', async () => {
  await using platform = await startPlatform({
    'stack.yml': stackOf({ hello: 'secrets: [login]\nannotations: {bramble/gateway-login-secret: login}' }),
    'hello/handler.ts': 'export default (_event, context) => context.secret("login")\n',
  })
  assert.match(platform.stderr(), /^secret login: made, the user and password of this gateway, for hello$/m)
  const login = await (await fetch(`${platform.url}/function/hello`)).text()
  assert.equal(`${login}\n`, `admin:${await platform.at.read('.bramble/basic-auth-password')}`)
  // Elsewhere a person makes it with one command.
  assert.equal((await platform.bramble(['secret', 'create', 'login', '--gateway-login', '--replace'])).stdout, 'secret login: updated\n')
  const both = await platform.bramble(['secret', 'create', 'login', '--gateway-login', '--generate'])
  assert.deepEqual([both.code, /use one of --gateway-login/.test(both.stderr)], [1, true])
})

test('a port that is taken is one line', async () => {
  await using at = await createWorkplace(files)
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const { code, stdout, stderr } = await at.bramble(['start'], { env: { ...settings, port: String(address.port) } })
  server.close()
  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(stderr.split('\n').filter((line) => line.includes(String(address.port))).length, 1, stderr)
})

test('a function that cannot be built is one line, and nothing is started', async () => {
  await using at = await createWorkplace({ ...files, 'other/handler.ts': 'export default () => (\n' })
  const { code, stdout, stderr } = await at.bramble(['start'], { env: settings })
  assert.deepEqual([code, stdout, stderr], [1, '', 'other/handler.ts:2:1: unexpected end of file\n'])
})

test('a function that does not start is told with its last lines, and the others run', async () => {
  await using platform = await startPlatform({ ...files, 'other/handler.ts': 'throw new Error("no database")\nexport default () => 1\n' })
  assert.match(platform.stdout(), /^  other +\S+  \(not ready\)$/m)
  assert.match(platform.stderr(), /^other: \w+: /m)
  assert.match(platform.stderr(), /no database/)
  assert.equal(await (await fetch(`${platform.url}/function/hello`)).text(), 'hi')
})

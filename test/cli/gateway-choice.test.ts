import * as assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { cases, test } from '../kit.ts'
import { createWorkplace, given, startGateway } from './bramble.ts'

/** Nobody listens there. */
const DOWN = 'http://127.0.0.1:1'
const stack = (gateway: string): Record<string, string> => ({ 'stack.yml': `provider:\n  name: openfaas\n  gateway: ${gateway}\n` })

cases('the gateway is chosen as faas-cli does', [
  { name: '-g wins over the stack file and the environment', words: ['-g', 'UP'], files: stack(DOWN), env: { OPENFAAS_URL: DOWN } },
  { name: 'the stack file wins over the environment', words: [], files: stack('UP'), env: { OPENFAAS_URL: DOWN } },
  { name: 'the default in the stack file counts as not said', words: [], files: stack('http://127.0.0.1:8080'), env: { OPENFAAS_URL: 'UP' } },
  { name: 'the default after -g counts as not said', words: ['-g', 'http://127.0.0.1:8080/'], files: {}, env: { OPENFAAS_URL: 'UP' } },
  { name: 'the environment alone', words: [], files: {}, env: { OPENFAAS_URL: 'UP' } },
  { name: 'a variable in the stack file', words: [], files: stack('${WHERE:-http://127.0.0.1:1}'), env: { WHERE: 'UP' } },
  { name: 'a stack file with another name', words: ['-f', 'other.yml'], files: { 'other.yml': stack('UP')['stack.yml'] ?? '', ...stack(DOWN) }, env: {} },
  { name: 'a slash at the end, upper case, and no http://', words: ['-g', 'UNUSUAL'], files: {}, env: {} },
], async ({ words, files, env }) => {
  await using gateway = await startGateway({ functions: [given('hello')] })
  const fill = (text: string): string => text.replace('UP', gateway.url).replace('UNUSUAL', `${gateway.url.replace('http://127.0.0.1', 'LOCALHOST')}/`)
  await using at = await createWorkplace(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, fill(text)])))
  const { code, stdout, stderr } = await at.bramble(['list', '-q', ...words.map(fill)], {
    env: Object.fromEntries(Object.entries(env).map(([name, text]) => [name, fill(text)])),
  })
  assert.deepEqual([code, stdout, stderr], [0, 'hello\n', ''])
})

cases('a gateway that cannot be reached is one line', [
  { name: 'nobody listens', words: ['-g', DOWN], says: 'cannot reach http://127.0.0.1:1: connection refused; is the platform running? start it with: npm start\n' },
  { name: 'no URL', words: ['-g', 'http://'], says: '--gateway "http://" is not a URL like http://127.0.0.1:8080\n' },
  { name: 'a URL of another kind', words: ['-g', 'ftp://x'], says: '--gateway "ftp://x" is not a URL like http://127.0.0.1:8080\n' },
], async ({ words, says }) => {
  await using at = await createWorkplace()
  for (const command of [['list'], ['describe', 'a'], ['invoke', 'a'], ['logs', 'a'], ['scale', 'a', '1'], ['secret', 'list']]) {
    const { code, stdout, stderr } = await at.bramble([...command, ...words])
    assert.deepEqual([code, stdout, stderr], [1, '', says], command.join(' '))
  }
})

test('a login is kept for this gateway in the file of faas-cli, and used from then on', async () => {
  await using gateway = await startGateway({ functions: [given('hello')] }, 'basic')
  await using at = await createWorkplace({ '.openfaas/config.yml': 'auths:\n  - gateway: http://other:8080\n    auth: basic\n    token: b3RoZXI=\n' })
  const refused = await at.bramble(['list', '-g', gateway.url])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /asks for a password: log in with "bramble login -g /)
  const wrong = await at.bramble(['login', '-s', '-g', gateway.url], { stdin: 'wrong\n' })
  assert.deepEqual([wrong.code, wrong.stderr], [1, `${gateway.url} refuses this user or password\n`])
  const right = await at.bramble(['login', '-u', 'admin', '--password-stdin', '-g', gateway.url], { stdin: 'fixture-password\n' })
  assert.deepEqual([right.code, right.stderr], [0, ''])
  const file = join(at.folder, '.openfaas/config.yml')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(await at.read('.openfaas/config.yml'), 'auths:\n  - gateway: http://other:8080\n    auth: basic\n    token: b3RoZXI=\n' +
    `  - gateway: ${gateway.url}\n    auth: basic\n    token: YWRtaW46Zml4dHVyZS1wYXNzd29yZA==\n`)
  assert.equal((await at.bramble(['list', '-q', '-g', gateway.url])).stdout, 'hello\n')
})

test('OPENFAAS_CONFIG is another folder for the logins, CI=true the current one', async () => {
  await using gateway = await startGateway({}, 'basic')
  await using at = await createWorkplace()
  const stdin = 'fixture-password'
  await at.bramble(['login', '-s', '-g', gateway.url], { stdin, env: { OPENFAAS_CONFIG: 'kept' } })
  assert.match(await at.read('kept/config.yml'), /token: YWRtaW46/)
  assert.equal((await at.bramble(['list', '-g', gateway.url], { env: { OPENFAAS_CONFIG: 'kept' } })).code, 0)
  assert.equal((await at.bramble(['list', '-g', gateway.url], { env: { CI: 'true' } })).code, 1)
  await at.bramble(['login', '-s', '-g', gateway.url], { stdin, env: { CI: 'true' } })
  assert.match(await at.read('.openfaas/config.yml'), /token: YWRtaW46/)
})

test('in the folder of the platform its own password is found, also when an old login is saved', async () => {
  await using gateway = await startGateway({ functions: [given('hello')] }, 'basic')
  await using at = await createWorkplace({
    '.bramble/basic-auth-password': 'fixture-password\n',
    '.openfaas/config.yml': `auths:\n  - gateway: ${gateway.url}\n    auth: basic\n    token: ${Buffer.from('admin:old').toString('base64')}\n`,
  })
  assert.equal((await at.bramble(['list', '-q', '-g', gateway.url])).stdout, 'hello\n')
  const elsewhere = await at.bramble(['list', '-g', gateway.url], { env: { data_dir: 'other' } })
  assert.equal(elsewhere.code, 1)
  assert.match(elsewhere.stderr, /refused the credentials from .*\.openfaas\/config\.yml: log in with/)
})

test('a password never goes to a function', async () => {
  await using at = await createWorkplace({ '.bramble/basic-auth-password': 'fixture-password\n' })
  let seen: string | undefined = 'nothing yet'
  const server = createServer((request, response) => { seen = request.headers.authorization; response.end() }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  await at.bramble(['invoke', 'hello', '-g', `http://127.0.0.1:${address.port}`])
  server.close()
  assert.equal(seen, undefined)
})

test('a login without a password, or on the command line, is told', async () => {
  await using gateway = await startGateway({}, 'basic')
  await using at = await createWorkplace()
  const none = await at.bramble(['login', '-g', gateway.url])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /^the password is missing: /)
  const seen = await at.bramble(['login', '-p', 'fixture-password', '-g', gateway.url])
  assert.equal(seen.code, 0)
  assert.match(seen.stderr, /^warning: a password on the command line/)
})

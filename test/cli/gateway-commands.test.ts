import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { cases, test } from '../kit.ts'
import { createWorkplace, given, startGateway } from './bramble.ts'

test('list shows what is deployed, sorted, and nothing else on standard output', async () => {
  await using gateway = await startGateway({ functions: [
    { ...given('zebra'), replicas: 2, availableReplicas: 1 }, { ...given('apple'), replicas: 0, availableReplicas: 0 },
  ] })
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(['list', '-g', gateway.url])
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual(stdout.trimEnd().split('\n').map((line) => line.split(/ {2,}/)), [
    ['NAME', 'READY', 'CALLS', 'IMAGE'],
    ['apple', '0/0', '0', 'registry.local/apple:1'],
    ['zebra', '1/2', '0', 'registry.local/zebra:1'],
  ])
  assert.equal((await at.bramble(['list', '-q', '-g', gateway.url])).stdout, 'apple\nzebra\n')
  const json: unknown = JSON.parse((await at.bramble(['list', '--json', '-g', gateway.url])).stdout)
  assert.ok(Array.isArray(json))
  assert.deepEqual(json.map(({ name, availableReplicas }) => [name, availableReplicas]), [['apple', 0], ['zebra', 1]])
})

test('list asks for another namespace', async () => {
  await using gateway = await startGateway({
    namespaces: [{ name: 'staging', labels: { openfaas: '1' }, annotations: {} }], functions: [given('web', { namespace: 'staging' })],
  })
  await using at = await createWorkplace()
  assert.equal((await at.bramble(['list', '-q', '-g', gateway.url])).stdout, '')
  assert.equal((await at.bramble(['list', '-q', '-n', 'staging', '-g', gateway.url])).stdout, 'web\n')
  const { code, stderr } = await at.bramble(['list', '-n', 'nowhere', '-g', gateway.url])
  assert.equal(code, 1)
  assert.match(stderr, /namespace nowhere does not exist/)
})

test('describe shows one function with its use and its URL', async () => {
  await using gateway = await startGateway({ functions: [{
    ...given('hello', { limits: { memory: '64Mi' }, secrets: [], envVars: { a: 'b' }, labels: { team: 'x' } }),
    usage: { cpu: 12.4, totalMemoryBytes: 33_554_432 },
  }] })
  await using at = await createWorkplace()
  const { code, stdout } = await at.bramble(['describe', 'hello', '-g', gateway.url])
  assert.equal(code, 0)
  const rows = Object.fromEntries(stdout.trimEnd().split('\n').map((line) => line.split(/: {2,}/)))
  assert.deepEqual([rows.Name, rows.Status, rows.Replicas, rows.Ready, rows.Memory, rows.CPU, rows.URL, rows.Limits, rows.Environment, rows.Labels], [
    'hello', 'Ready', '1', '1', '32.0 MiB', '12.4 m (thousandths of a core)', `${gateway.url}/function/hello`, 'memory=64Mi', 'a=b', 'team=x',
  ])
  const json: unknown = JSON.parse((await at.bramble(['describe', 'hello.openfaas-fn', '--json', '-g', gateway.url])).stdout)
  assert.ok(typeof json === 'object' && json !== null && 'name' in json)
  assert.equal(json.name, 'hello')
})

test('describe of what is not there fails, and says what to do', async () => {
  await using gateway = await startGateway()
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(['describe', 'ghost', '-g', gateway.url])
  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(stderr, `there is no function ghost on ${gateway.url}: "bramble list" shows what there is\n`)
})

test('invoke sends standard input as it is and prints the bytes of the answer', async () => {
  await using gateway = await startGateway({ functions: [given('hello')] })
  await using at = await createWorkplace()
  const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const { code, stdout, stderr } = await at.bramble(['invoke', 'hello', '/a/b', '--query', 'q=x y', '--query', 'r=1', '-g', gateway.url], { stdin: body })
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(stdout.startsWith('POST /a/b?q=x+y&r=1\n'), true, stdout)
  assert.deepEqual(gateway.provider.received.map(({ function: name, method, path }) => [name, method, path]), [['hello.openfaas-fn', 'POST', '/a/b?q=x+y&r=1']])
})

test('invoke takes a method, headers and a namespace', async () => {
  await using gateway = await startGateway({
    namespaces: [{ name: 'staging', labels: { openfaas: '1' }, annotations: {} }], functions: [given('web', { namespace: 'staging' })],
  })
  await using at = await createWorkplace()
  const { code, stdout } = await at.bramble(['invoke', 'web', '-n', 'staging', '-m', 'put', '-H', 'X-Ping: pong', '-g', gateway.url], { stdin: 'x' })
  assert.deepEqual([code, stdout], [0, 'PUT /\nx'])
  assert.equal((await at.bramble(['invoke', 'web.staging', '--method=GET', '-g', gateway.url])).stdout, 'GET /\n')
})

cases('invoke fails honestly', [
  { name: 'with the status of the function', upstream: { status: 500, body: 'it broke' }, out: 'it broke', err: /^hello: status 500 Internal Server Error$/ },
  { name: 'with a redirect, which is not followed', upstream: { status: 302, headers: { location: 'http://127.0.0.1:1/x' } }, out: '', err: /^hello: status 302 Found, Location: http:\/\/127\.0\.0\.1:1\/x$/ },
  { name: 'but 204 is fine', upstream: { status: 204 }, out: '', err: /^$/ },
], async ({ upstream, out, err }) => {
  await using gateway = await startGateway({ functions: [given('hello')], upstreams: { hello: upstream } })
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(['invoke', 'hello', '-g', gateway.url])
  assert.equal(stdout, out)
  assert.match(stderr.trimEnd(), err)
  assert.equal(code, upstream.status === 204 ? 0 : 1)
})

test('invoke of an unknown function is 1, and the text of the gateway is shown', async () => {
  await using gateway = await startGateway()
  await using at = await createWorkplace()
  const { code, stderr } = await at.bramble(['invoke', 'ghost', '-g', gateway.url])
  assert.equal(code, 1)
  assert.match(stderr, /ghost: status 404 Not Found/)
})

const lines = ['a', 'b', 'c'].map((instance, index) => ({
  name: 'hello', namespace: 'openfaas-fn', instance, timestamp: `2026-01-02T03:04:0${index}Z`, text: `line ${index}\n`,
}))

test('logs prints what was written, the last lines, one instance, or JSON', async () => {
  await using gateway = await startGateway({ functions: [given('hello')], logs: lines })
  await using at = await createWorkplace()
  const logs = async (...more: string[]): Promise<string> => (await at.bramble(['logs', 'hello', '-g', gateway.url, ...more])).stdout
  assert.equal(await logs(), '2026-01-02T03:04:00.000Z a line 0\n2026-01-02T03:04:01.000Z b line 1\n2026-01-02T03:04:02.000Z c line 2\n')
  assert.equal(await logs('--lines', '1'), '2026-01-02T03:04:02.000Z c line 2\n')
  assert.equal(await logs('--tail=1'), '2026-01-02T03:04:02.000Z c line 2\n')
  assert.equal(await logs('--since', '1h'), '')
  assert.equal(await logs('--since-time', '2026-01-02T03:04:02Z'), '2026-01-02T03:04:02.000Z c line 2\n')
  const [first = ''] = (await logs('--json')).split('\n')
  const message: unknown = JSON.parse(first)
  assert.ok(typeof message === 'object' && message !== null && 'instance' in message)
  assert.equal(message.instance, 'a')
  const { code, stderr } = await at.bramble(['logs', 'ghost', '-g', gateway.url])
  assert.equal(code, 1)
  assert.match(stderr, /ghost/)
})

test('logs -f goes on with later lines', async () => {
  await using gateway = await startGateway({
    functions: [given('hello')], logs: lines.slice(0, 1), lateLogs: lines.slice(1),
  })
  await using at = await createWorkplace()
  const running = at.bramble(['logs', 'hello', '-f', '-g', gateway.url])
  gateway.provider.releaseLateLogs()
  const { code, stdout } = await running
  assert.deepEqual([code, stdout.split('\n').length], [0, 4])
})

test('an answer that is cut off is no success', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('part\n', () => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  await using at = await createWorkplace()
  for (const command of [['invoke', 'hello'], ['logs', 'hello', '--json'], ['list']]) {
    const { code, stderr } = await at.bramble([...command, '-g', `127.0.0.1:${address.port}`])
    assert.equal(code, 1)
    assert.match(stderr, /^the answer of .* was cut off: [^\n]*\n$/, command.join(' '))
  }
  server.close()
})

test('scale asks for so many replicas and says what became of it', async () => {
  await using gateway = await startGateway({ functions: [{ ...given('hello'), replicas: 3, availableReplicas: 3 }] })
  await using at = await createWorkplace()
  const { code, stdout } = await at.bramble(['scale', 'hello', '2', '-g', gateway.url])
  assert.deepEqual([code, stdout], [0, 'hello: 2 replicas ready\n'])
  const late = await at.bramble(['scale', 'hello', '5', '--timeout', '200ms', '-g', gateway.url])
  assert.equal(late.code, 1)
  assert.match(late.stderr, /^function hello is not ready after 200 ms: 3 of 5 replicas serve$/m)
  const missing = await at.bramble(['scale', 'ghost', '1', '-g', gateway.url])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /ghost/)
})

test('remove takes names, says what is not there, and is 1 then', async () => {
  await using gateway = await startGateway({ functions: [given('one'), given('two')] })
  await using at = await createWorkplace()
  const { code, stdout, stderr } = await at.bramble(['remove', 'one', 'ghost', 'two', '-g', gateway.url])
  assert.deepEqual([code, stdout], [1, 'one: removed\ntwo: removed\n'])
  assert.match(stderr, /^ghost: .*404/)
  assert.equal((await at.bramble(['list', '-q', '-g', gateway.url])).stdout, '')
})

test('remove never takes a whole stack file that nobody named', async () => {
  await using gateway = await startGateway({ functions: [given('one'), given('two')] })
  await using at = await createWorkplace({
    'stack.yml': `provider: {name: openfaas, gateway: "${gateway.url}"}\nfunctions: {one: {image: x/one}, two: {image: x/two}}\n`,
  })
  const { code, stderr } = await at.bramble(['remove'])
  assert.equal(code, 1)
  assert.match(stderr, /name the functions to remove, or -f FILE/)
  assert.equal((await at.bramble(['remove', '-f', 'stack.yml', '--filter', 't*'])).stdout, 'two: removed\n')
  assert.equal((await at.bramble(['list', '-q'])).stdout, 'one\n')
})

test('secrets are created from standard input, replaced, updated, listed and removed', async () => {
  await using gateway = await startGateway()
  await using at = await createWorkplace({ 'key.txt': 'line\n', 'key.bin': '' })
  const secret = (words: string[], stdin = '') => at.bramble(['secret', ...words, '-g', gateway.url], { stdin })
  assert.deepEqual(await secret(['create', 'api-key'], '  s3cret\n'), { code: 0, stdout: 'secret api-key: created\n', stderr: '' })
  assert.equal(gateway.provider.secretValue('api-key'), 's3cret')
  const again = await secret(['create', 'api-key'], 'other')
  assert.equal(again.code, 1)
  assert.match(again.stderr, /^secret api-key: .*409/)
  assert.equal((await secret(['create', 'api-key', '--replace'], 'other')).stdout, 'secret api-key: updated\n')
  assert.equal(gateway.provider.secretValue('api-key'), 'other')
  assert.equal((await secret(['update', 'api-key', '--from-file', 'key.txt'])).code, 0)
  assert.equal(gateway.provider.secretValue('api-key'), 'line\n')
  assert.equal((await secret(['update', 'api-key', '--from-file', 'key.txt', '--trim'])).code, 0)
  assert.equal(gateway.provider.secretValue('api-key'), 'line')
  assert.equal((await secret(['update', 'api-key', '--trim=false'], ' kept \n')).code, 0)
  assert.equal(gateway.provider.secretValue('api-key'), ' kept \n')
  const literal = await secret(['create', 'second', '--from-literal', 'seen'])
  assert.equal(literal.code, 0)
  assert.match(literal.stderr, /^warning: a value on the command line/)
  assert.equal((await secret(['list'])).stdout, 'api-key\nsecond\n')
  assert.equal((await secret(['remove', 'second'])).stdout, 'secret second: removed\n')
  assert.equal((await secret(['remove', 'second'])).code, 1)
  assert.equal((await secret(['update', 'second'], 'x')).code, 1)
  assert.equal((await secret(['list'])).stdout, 'api-key\n')
})

test('a secret of any bytes arrives as it is', async () => {
  await using gateway = await startGateway()
  await using at = await createWorkplace()
  const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x80, 0x0a])
  assert.equal((await at.bramble(['secret', 'create', 'blob', '--trim=false', '-g', gateway.url], { stdin: bytes })).code, 0)
  assert.equal(gateway.provider.secretValue('blob'), bytes.toString())
})

cases('a secret without a value or with a bad name goes nowhere', [
  { name: 'nothing on standard input', words: ['create', 'a'], says: /the value of the secret is empty/ },
  { name: 'only white space', words: ['create', 'a'], stdin: ' \n', says: /the value of the secret is empty/ },
  { name: 'no such file', words: ['create', 'a', '--from-file', 'no.txt'], says: /--from-file no\.txt does not exist/ },
  { name: 'a bad name', words: ['create', 'Bad_Name'], stdin: 'x', says: /secret name "Bad_Name" is not valid/ },
  { name: 'two sources', words: ['create', 'a', '--from-file', 'x', '--from-literal', 'y'], says: /use one of/ },
  { name: 'no action', words: [], says: /secret needs to know what to do/ },
  { name: 'a wrong action', words: ['crate', 'a'], says: /secret does not know "crate": did you mean "create"\?/ },
], async ({ words, says, ...rest }) => {
  await using gateway = await startGateway()
  await using at = await createWorkplace()
  const { code, stderr } = await at.bramble(['secret', ...words, '-g', gateway.url], { stdin: 'stdin' in rest ? rest.stdin : '' })
  assert.equal(code, 1)
  assert.match(stderr, says)
  assert.equal((await at.bramble(['secret', 'list', '-g', gateway.url])).stdout, '')
})

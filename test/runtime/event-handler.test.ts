import * as assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cases, eventually, test } from '../kit.ts'
import { bundleFunction, type RunningFunction, spawnFunction, startFunction } from '../start-function.ts'

test('a value becomes an answer by its kind', async () => {
  await using fn = await startFunction('values')
  const get = async (path: string): Promise<[number, string | null, string]> => {
    const answer = await fetch(fn.url + path)
    assert.match(answer.headers.get('x-duration-seconds') ?? '', /^\d+\.\d{6}$/)
    return [answer.status, answer.headers.get('content-type')?.split(';')[0] ?? null, await answer.text()]
  }
  assert.deepEqual(await get('/text'), [200, 'text/plain', 'text'])
  assert.deepEqual(await get('/json'), [200, 'application/json', '{"a":1}'])
  assert.deepEqual((await get('/bytes')).slice(0, 2), [200, 'application/octet-stream'])
  assert.deepEqual(await get('/nothing'), [200, null, ''])
  assert.deepEqual(await get('/status'), [201, 'text/plain', 'made'])
  assert.deepEqual(JSON.parse((await get('/query?a=1&a=2&b=x'))[2]), { a: ['1', '2'], b: 'x' })
})

test('the parts of a context work apart from it', async () => {
  await using fn = await startFunction('values')
  const answer = await fetch(`${fn.url}/parts`)
  assert.deepEqual([answer.status, answer.headers.get('x-a')], [202, 'b, c'])
  assert.deepEqual(await answer.json(), { status: 202, headers: { 'x-a': ['b', 'c'] } })
})

cases('a body is', [
  { name: 'parsed when it is JSON', type: 'application/json', body: '{"a":[1]}', is: 'object' },
  { name: 'text when it is text', type: 'text/plain', body: 'x', is: 'string' },
  { name: 'bytes when it is anything else', type: 'image/png', body: '\0x', is: 'bytes' },
], async ({ type, body, is }) => {
  await using fn = await startFunction('values')
  const answer = await fetch(`${fn.url}/body`, { method: 'POST', headers: { 'content-type': type }, body })
  assert.equal(JSON.parse(await answer.text()).is, is)
})

test('bad JSON is 400 and a body over the limit is 413, both said plainly', async () => {
  await using fn = await startFunction('values', { body_limit: '10' })
  const post = (body: string): Promise<Response> => fetch(`${fn.url}/body`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.equal((await post('{')).status, 400)
  const large = await post('"12345678901"')
  assert.equal(large.status, 413)
  assert.match(await large.text(), /10 bytes|body_limit/)
})

cases('an error inside is 500 without its text', [{ name: '/throw' }, { name: '/fail' }, { name: '/reject' }], async ({ name }) => {
  await using fn = await startFunction('throws')
  const answer = await fetch(fn.url + name, { headers: { 'x-call-id': 'call-1' } })
  const text = await answer.text()
  assert.equal(answer.status, 500)
  assert.doesNotMatch(text, /inner secret|at /)
  assert.match(text, /call-1/)
  const line = await eventually('the error is logged', () => fn.logs().find(({ callId, level }) => callId === 'call-1' && level === 'error'))
  assert.match(JSON.stringify(line), /inner secret.*handler\.ts:\d+/)
  assert.equal((await fetch(`${fn.url}/fine`)).status, 200)
})

test('HttpError is for the caller', async () => {
  await using fn = await startFunction('throws')
  const answer = await fetch(`${fn.url}/http-error`)
  assert.deepEqual([answer.status, (await answer.text()).trim()], [418, 'short and stout'])
  assert.equal(answer.headers.get('x-openfaas-internal'), null)
})

test('console lines carry the call id', async () => {
  await using fn = await startFunction('values')
  await fetch(`${fn.url}/log`, { headers: { 'x-call-id': 'call-7' } })
  const line = await eventually('the line is there', () => fn.logs().find(({ message }) => message.startsWith('said')))
  assert.equal(line['callId'], 'call-7')
})

test('a function says that it serves once it does, and serves whether or not anybody hears it', async () => {
  const heard: string[] = []
  const server = createServer((req, res) => {
    heard.push(`${req.method} ${req.url}`)
    res.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const url = `http://127.0.0.1:${address.port}/_/serving/x`
  {
    await using fn = await startFunction('values', { announce_url: url })
    await eventually('it is heard', () => heard.length > 0)
    assert.equal((await fetch(`${fn.url}/_/ready`)).status, 200)
  }
  assert.deepEqual(heard, ['POST /_/serving/x'])
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await using fn = await startFunction('values', { announce_url: url })
  assert.equal((await fetch(`${fn.url}/_/ready`)).status, 200)
})

test('a rejection outside a call is logged and ends the process with 1', async () => {
  await using fn = await startFunction('throws')
  await fetch(`${fn.url}/lost`)
  assert.equal((await fn.exit).code, 1)
  assert.match(JSON.stringify(fn.logs().at(-1)), /lost/)
})

test('exec_timeout answers 504 and aborts the handler', async () => {
  await using fn = await startFunction('slow', { exec_timeout: '50ms' })
  const answer = await fetch(`${fn.url}/?ms=60000`)
  assert.equal(answer.status, 504)
  assert.ok(answer.headers.get('x-openfaas-internal'))
  const line = await eventually('the signal fired', () => fn.logs().find(({ message }) => message === 'gave up'))
  assert.equal(line['reason'], 'TimeoutError')
})

test('beyond max_inflight calls are 429 with Retry-After, and the function is not ready', async () => {
  await using fn = await startFunction('slow', { max_inflight: '1' })
  assert.equal((await fetch(`${fn.url}/_/ready`)).status, 200)
  const leaving = new AbortController()
  const held = fetch(`${fn.url}/?ms=60000`, { signal: leaving.signal }).catch(() => undefined)
  await eventually('the first call runs', async () => (await fetch(`${fn.url}/_/ready`)).status === 503)
  const refused = await fetch(`${fn.url}/?ms=0`)
  assert.equal(refused.status, 429)
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  assert.equal((await fetch(`${fn.url}/_/health`)).status, 200)
  leaving.abort()
  await held
  await eventually('there is room again', async () => (await fetch(`${fn.url}/?ms=0`)).status === 200)
})

test('SIGTERM lets a call finish and ends with 0; a second one ends with 1', async () => {
  await using fn = await startFunction('slow')
  const held = fetch(`${fn.url}/?ms=300`)
  await aCallRuns(fn)
  fn.signal('SIGTERM')
  assert.equal(await (await held).text(), 'slow')
  assert.equal((await fn.exit).code, 0)

  await using other = await startFunction('slow')
  const lost = fetch(`${other.url}/?ms=60000`).catch(() => undefined)
  await aCallRuns(other)
  other.signal('SIGTERM')
  await eventually('it is stopping', () => other.logs().find(({ message }) => message === 'stopping'))
  other.signal('SIGTERM')
  assert.equal((await other.exit).code, 1)
  await lost
})

async function aCallRuns(fn: RunningFunction): Promise<void> {
  await eventually('the call runs', async () => /http_requests_in_flight 1/.test(await (await fetch(fn.metricsUrl)).text()))
}

test('metrics have the names of the watchdog', async () => {
  await using fn = await startFunction('values')
  await fetch(`${fn.url}/text`)
  const text = await (await fetch(fn.metricsUrl)).text()
  assert.match(text, /^http_requests_total\{code="200",method="get"\} 1$/m)
  assert.match(text, /^http_request_duration_seconds_bucket\{code="200",method="get",le="\+Inf"\} 1$/m)
})

test('secrets are files of secret_mount_path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-secrets-'))
  try {
    await writeFile(join(folder, 'key'), 'value\n')
    await using fn = await startFunction('env', { secret_mount_path: folder })
    assert.equal(await (await fetch(`${fn.url}/?secret=key`)).text(), 'value')
    assert.equal((await fetch(`${fn.url}/?secret=../key`)).status, 500)
    assert.equal((await fetch(`${fn.url}/?secret=none`)).status, 500)
  } finally {
    await rm(folder, { recursive: true })
  }
})

cases('a start that cannot be is one readable line and exit 1', [
  { name: 'an export that is no handler', fixture: 'no-handler', env: {}, says: /handler/ },
  { name: 'bad settings, all named', fixture: 'values', env: { port: 'x', exec_timeout: 'soon' }, says: /port=.*exec_timeout=/ },
  { name: 'a handler that throws when it is loaded', fixture: 'crash', env: { crash: 'start' }, says: /the handler does not load/ },
], async ({ fixture, env, says }) => {
  const folder = await bundleFunction(fixture)
  try {
    const { exit, logs } = spawnFunction(folder, env)
    assert.equal((await exit).code, 1)
    assert.match(String(logs().at(-1)?.message), says)
  } finally {
    await rm(folder, { recursive: true })
  }
})

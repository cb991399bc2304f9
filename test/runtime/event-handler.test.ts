import * as assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cases, eventually, test } from '../kit.ts'
import { launchFunction, startFunction } from './start-function.ts'

const kinds = `const handler = (event, context) => {
  switch (event.path) {
    case '/text': return 'text'
    case '/json': return { a: 1 }
    case '/bytes': return Buffer.from([0, 255])
    case '/nothing': return undefined
    case '/status': return context.status(201).headers({ 'x-a': 'b' }).succeed('made')
    case '/body': return { is: event.body === undefined ? 'undefined' : Buffer.isBuffer(event.body) ? 'bytes' : typeof event.body, body: event.body }
    case '/query': return event.query
    case '/throw': throw new Error('inner secret')
    case '/fail': return context.fail(new Error('inner secret'))
    case '/reject': return Promise.reject(new Error('inner secret'))
    case '/http-error': throw new HttpError(418, 'short and stout')
    case '/log': console.log('said', 1); return 'ok'
    case '/lost': setTimeout(() => Promise.reject(new Error('lost')), 1); return 'ok'
    case '/slow': return new Promise((resolve) => { context.signal.addEventListener('abort', () => console.log('aborted')); setTimeout(resolve, Number(event.query.ms), 'slow') })
  }
}
import { HttpError } from '@bramble/runtime'`

test('a value becomes an answer by its kind', async () => {
  await using fn = await startFunction(kinds)
  const get = async (path: string): Promise<[number, string | null, string]> => {
    const answer = await fetch(fn.url + path)
    assert.match(answer.headers.get('x-duration-seconds') ?? '', /^\d+\.\d{6}$/)
    return [answer.status, answer.headers.get('content-type')?.split(';')[0] ?? null, await answer.text()]
  }
  assert.deepEqual(await get('/text'), [200, 'text/plain', 'text'])
  assert.deepEqual(await get('/json'), [200, 'application/json', '{"a":1}'])
  assert.deepEqual((await get('/bytes')).slice(0, 2), [200, 'application/octet-stream'])
  assert.equal((await get('/nothing'))[2], '')
  assert.deepEqual((await get('/status')).slice(0, 1), [201])
  assert.deepEqual(JSON.parse((await get('/query?a=1&a=2&b=x'))[2]), { a: ['1', '2'], b: 'x' })
})

cases('a body is', [
  { name: 'parsed when it is JSON', type: 'application/json', body: '{"a":[1]}', is: 'object' },
  { name: 'text when it is text', type: 'text/plain', body: 'x', is: 'string' },
  { name: 'bytes when it is anything else', type: 'image/png', body: '\0x', is: 'bytes' },
], async ({ type, body, is }) => {
  await using fn = await startFunction(kinds)
  const answer = await fetch(`${fn.url}/body`, { method: 'POST', headers: { 'content-type': type }, body })
  assert.equal((JSON.parse(await answer.text()) as { is: string }).is, is)
})

test('bad JSON is 400 and a body over the limit is 413, both said plainly', async () => {
  await using fn = await startFunction(kinds, { body_limit: '10' })
  const post = (body: string): Promise<Response> => fetch(`${fn.url}/body`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.equal((await post('{')).status, 400)
  const large = await post('"12345678901"')
  assert.equal(large.status, 413)
  assert.match(await large.text(), /10 bytes|body_limit/)
})

cases('an error inside is 500 without its text', [{ name: '/throw' }, { name: '/fail' }, { name: '/reject' }], async ({ name }) => {
  await using fn = await startFunction(kinds)
  const answer = await fetch(fn.url + name, { headers: { 'x-call-id': 'call-1' } })
  const text = await answer.text()
  assert.equal(answer.status, 500)
  assert.doesNotMatch(text, /inner secret|at /)
  assert.match(text, /call-1/)
  const line = await eventually('the error is logged', () => fn.log().find(({ callId, level }) => callId === 'call-1' && level === 'error'))
  assert.match(JSON.stringify(line), /inner secret.*handler\.ts:\d+/)
  assert.equal((await fetch(`${fn.url}/text`)).status, 200)
})

test('HttpError is for the caller', async () => {
  await using fn = await startFunction(kinds)
  const answer = await fetch(`${fn.url}/http-error`)
  assert.deepEqual([answer.status, (await answer.text()).trim()], [418, 'short and stout'])
  assert.equal(answer.headers.get('x-openfaas-internal'), null)
})

test('console lines carry the call id', async () => {
  await using fn = await startFunction(kinds)
  await fetch(`${fn.url}/log`, { headers: { 'x-call-id': 'call-7' } })
  const line = await eventually('the line is there', () => fn.log().find(({ message }) => String(message).startsWith('said')))
  assert.equal(line['callId'], 'call-7')
})

test('a rejection outside a call is logged and ends the process with 1', async () => {
  await using fn = await startFunction(kinds)
  await fetch(`${fn.url}/lost`)
  assert.equal(await fn.exited, 1)
  assert.match(JSON.stringify(fn.log().at(-1)), /lost/)
})

test('exec_timeout answers 504 and aborts the handler', async () => {
  await using fn = await startFunction(kinds, { exec_timeout: '50ms' })
  const answer = await fetch(`${fn.url}/slow?ms=5000`)
  assert.equal(answer.status, 504)
  assert.ok(answer.headers.get('x-openfaas-internal'))
  await eventually('the signal fired', () => fn.log().find(({ message }) => message === 'aborted'))
})

test('beyond max_inflight calls are 429 with Retry-After, and the function is not ready', async () => {
  await using fn = await startFunction(kinds, { max_inflight: '1' })
  assert.equal((await fetch(`${fn.url}/_/ready`)).status, 200)
  const held = fetch(`${fn.url}/slow?ms=400`)
  await eventually('the first call runs', async () => (await fetch(`${fn.url}/_/ready`)).status === 503)
  const refused = await fetch(`${fn.url}/text`)
  assert.equal(refused.status, 429)
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  assert.equal((await held).status, 200)
  assert.equal((await fetch(`${fn.url}/_/health`)).status, 200)
})

test('SIGTERM lets a call finish and ends with 0; a second one ends with 1', async () => {
  await using fn = await startFunction(kinds)
  const held = fetch(`${fn.url}/slow?ms=300`)
  await eventually('the call runs', async () => /http_requests_in_flight 1/.test(await (await fetch(`${fn.metricsUrl}/metrics`)).text()))
  process.kill(fn.pid, 'SIGTERM')
  assert.equal(await (await held).text(), 'slow')
  assert.equal(await fn.exited, 0)

  await using other = await startFunction(kinds)
  void fetch(`${other.url}/slow?ms=5000`).catch(() => undefined)
  await eventually('the call runs', async () => /http_requests_in_flight 1/.test(await (await fetch(`${other.metricsUrl}/metrics`)).text()))
  process.kill(other.pid, 'SIGTERM')
  await eventually('it is stopping', () => other.log().find(({ message }) => message === 'stopping'))
  process.kill(other.pid, 'SIGTERM')
  assert.equal(await other.exited, 1)
})

test('metrics have the names of the watchdog', async () => {
  await using fn = await startFunction(kinds)
  await fetch(`${fn.url}/text`)
  const text = await (await fetch(`${fn.metricsUrl}/metrics`)).text()
  assert.match(text, /^http_requests_total\{code="200",method="get"\} 1$/m)
  assert.match(text, /^http_request_duration_seconds_bucket\{code="200",method="get",le="\+Inf"\} 1$/m)
})

test('secrets are files of secret_mount_path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-secrets-'))
  try {
    await writeFile(join(folder, 'key'), 'value\n')
    await using fn = await startFunction(`const handler = (event, context) => context.secret(event.query.name)`, { secret_mount_path: folder })
    assert.equal(await (await fetch(`${fn.url}/?name=key`)).text(), 'value')
    assert.equal((await fetch(`${fn.url}/?name=../key`)).status, 500)
    assert.equal((await fetch(`${fn.url}/?name=none`)).status, 500)
  } finally {
    await rm(folder, { recursive: true })
  }
})

cases('a start that cannot be is one readable line and exit 1', [
  { name: 'an export that is no handler', source: 'const handler = 42', env: {}, says: /handler/ },
  { name: 'bad settings, all named', source: 'const handler = () => 1', env: { port: 'x', exec_timeout: 'soon' }, says: /port=.*exec_timeout=/ },
], async ({ source, env, says }) => {
  await using fn = await launchFunction(source, env as Record<string, string>)
  assert.equal(await fn.exited, 1)
  assert.match(String(fn.log().at(-1)?.['message']), says)
})

import * as assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cases, test } from '../../kit.ts'
import { type RunningFunction, startFunction } from '../../start-function.ts'

const TOKEN = 'a-token-of-the-test-0123456789'
const known = { authorization: `Bearer ${TOKEN}` }
const asJson = { ...known, 'content-type': 'application/json' }

/** One process for all tests of this file, ended with the last of them. */
let shared: Promise<RunningFunction> | undefined
const started = (): Promise<RunningFunction> => shared ??= startService()
let secretsFolder: string | undefined

async function startService(): Promise<RunningFunction> {
  secretsFolder = await mkdtemp(join(tmpdir(), 'bramble-secrets-'))
  await writeFile(join(secretsFolder, 'service-token'), `${TOKEN}\n`)
  return startFunction('service', { secret_mount_path: secretsFolder })
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${(await started()).url}${path}`, init)
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
  return JSON.parse(await response.text())
}

test('a call is routed, its input is checked, and its types are those of the schema', async () => {
  const response = await call('/v1/things/ball?size=3&tag=a&tag=b&loud=true', { headers: { ...known, 'if-none-match': '"1"' } })
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { id: 'ball', size: 3, tag: ['a', 'b'], loud: true, 'if-none-match': '"1"', isKnown: true })
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(response.headers.get('x-powered-by'), null)
})

test('everything that is wrong with a call is in one answer, with its place', async () => {
  const body = JSON.stringify({ things: [{ name: '', size: 1 }, { name: 'b', size: 1.5, 'a/b': 1 }], more: 1 })
  const response = await call('/v1/things/Ball?color=red', { method: 'PUT', headers: asJson, body })
  assert.equal(response.status, 400)
  const problem = await problemOf(response)
  assert.equal(problem['code'], 'invalid_input')
  assert.equal(problem['type'], 'urn:bramble:problem:invalid_input')
  assert.equal(problem['title'], 'Invalid input')
  assert.equal(problem['status'], 400)
  const errors = problem['errors'] as { in: string; path: string; detail: string }[]
  assert.deepEqual(errors.map(({ in: where, path }) => `${where}${path}`), [
    'path/id', 'query/color', 'body/things/0/name', 'body/things/1/size', 'body/things/1', 'body',
  ])
  assert.ok(errors.every(({ detail }) => detail.length > 0))
})

cases('a query that is not as the schema says is refused', [
  { name: 'too large', query: 'size=10', at: '/size' },
  { name: 'empty', query: 'size=', at: '/size' },
  { name: 'hexadecimal', query: 'size=0x1', at: '/size' },
  { name: 'twice', query: 'size=1&size=2', at: '/size' },
  { name: 'not a flag', query: 'loud=1', at: '/loud' },
  { name: 'unknown', query: 'sise=1', at: '' },
], async ({ query, at }) => {
  const response = await call(`/v1/things/ball?${query}`, { headers: known })
  assert.equal(response.status, 400)
  const { errors } = await problemOf(response)
  assert.deepEqual((errors as { path: string }[]).map(({ path }) => path), [at])
})

cases('a body that cannot be read is refused', [
  { name: 'not JSON', init: { headers: asJson, body: '{"things":' }, status: 400, code: 'bad_json' },
  { name: 'not UTF-8', init: { headers: asJson, body: Buffer.from([0x22, 0xff, 0x22]) }, status: 400, code: 'bad_encoding' },
  { name: 'empty', init: { headers: asJson }, status: 400, code: 'bad_json' },
  { name: 'deep', init: { headers: asJson, body: '['.repeat(101) + ']'.repeat(101) }, status: 400, code: 'too_deep' },
  { name: 'no deeper than may be', init: { headers: asJson, body: '['.repeat(100) + ']'.repeat(100) }, status: 400, code: 'invalid_input' },
  { name: 'full of brackets in texts and beside each other', init: { headers: asJson, body: `["\\\\","\\"${'['.repeat(101)}",${'[],'.repeat(101)}{}]` }, status: 400, code: 'invalid_input' },
  { name: 'a text without an end', init: { headers: asJson, body: `"${'['.repeat(101)}` }, status: 400, code: 'bad_json' },
  { name: 'of another type', init: { headers: { ...known, 'content-type': 'text/plain' }, body: '{}' }, status: 415, code: 'unsupported_media_type' },
  { name: 'of no type', init: { headers: known, body: Buffer.from('{}') }, status: 415, code: 'unsupported_media_type' },
  { name: 'compressed', init: { headers: { ...asJson, 'content-encoding': 'gzip' }, body: '{}' }, status: 415, code: 'unsupported_media_type' },
  { name: 'too large', init: { headers: asJson, body: JSON.stringify({ things: 'x'.repeat(1000) }) }, status: 413, code: 'too_large' },
  { name: 'too large, and sent in pieces', init: { headers: asJson, body: pieces(), duplex: 'half' }, status: 413, code: 'too_large' },
] satisfies { name: string; init: RequestInit; status: number; code: string }[], async ({ init, status, code }) => {
  const response = await call('/v1/things/ball', { method: 'PUT', ...init })
  assert.equal(response.status, status)
  assert.equal((await problemOf(response))['code'], code)
})

function pieces(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let i = 0; i < 22; i++) controller.enqueue(Buffer.alloc(50, ' '))
      controller.close()
    },
  })
}

test('without a token nothing answers but health and the description', async () => {
  for (const init of [{}, { headers: { authorization: `Bearer ${TOKEN}x` } }, { headers: { authorization: `Basic ${TOKEN}` } }]) {
    const response = await call('/v1/things/ball?size=nonsense', init)
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('www-authenticate'), 'Bearer')
    assert.equal((await problemOf(response))['code'], 'unauthorized')
  }
  const health = await call('/healthz')
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }])
  assert.equal((await call('/openapi.json')).status, 200)
})

test('an unknown path is a 404, a wrong method a 405 that says which are right', async () => {
  const missing = await call('/v1/nothing?x', { headers: known })
  assert.equal(missing.status, 404)
  assert.match(String((await problemOf(missing))['detail']), /\/v1\/nothing;/)
  for (const path of ['/v1/things/ball/', '/V1/things/ball']) assert.equal((await call(path, { headers: known })).status, 404, path)
  const wrong = await call('/v1/things/ball', { method: 'DELETE', headers: known })
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, PUT'])
  assert.equal((await problemOf(wrong))['code'], 'method_not_allowed')
  const options = await call('/v1/things/ball', { method: 'OPTIONS' })
  assert.deepEqual([options.status, options.headers.get('allow')], [204, 'GET, HEAD, PUT'])
})

test('a path that cannot be decoded is the caller\'s mistake', async () => {
  const response = await call('/v1/things/%ff', { headers: known })
  assert.equal(response.status, 400)
  assert.equal((await problemOf(response))['code'], 'bad_request')
})

test('HEAD is GET without the body', async () => {
  const { port } = await started()
  const [status, length, bytes] = await new Promise<[number, string, number]>((resolve, reject) => {
    httpRequest({ port, path: '/v1/things/ball', method: 'HEAD', headers: known }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => { bytes += chunk.length })
      response.on('end', () => resolve([response.statusCode ?? 0, response.headers['content-length'] ?? '', bytes]))
    }).on('error', reject).end()
  })
  assert.deepEqual([status, Number(length) > 0, bytes], [200, true, 0])
})

test('a route may have errors of its own form', async () => {
  const form = (body: string) => call('/v1/login', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body })
  assert.deepEqual(await (await form('user=ada+b&more=1')).json(), { user: 'ada b' })
  const refused = await form('user=')
  assert.deepEqual([refused.status, JSON.parse(await refused.text()).error], [400, 'invalid_request'])
})

test('a stream arrives whole', async () => {
  const bytes = await (await call('/v1/stream', { headers: known })).bytes()
  assert.equal(bytes.length, 64 * 65536)
  assert.equal(bytes[63 * 65536], 63)
})

test('a problem is told with its code, status and headers', async () => {
  const response = await call('/v1/fail/conflict')
  assert.deepEqual([response.status, response.headers.get('retry-after')], [409, '1'])
  const { code, detail } = await problemOf(response)
  assert.deepEqual([code, detail], ['not_that_way', 'do it the other way round'])
})

test('any other error is a 500 that says nothing but the call id; the log says the rest', async () => {
  const response = await call('/v1/fail/otherwise', { headers: { 'x-call-id': 'call-of-the-test' } })
  assert.equal(response.status, 500)
  const problem = await problemOf(response)
  assert.equal(problem['code'], 'internal')
  assert.match(String(problem['detail']), /call-of-the-test/)
  assert.doesNotMatch(JSON.stringify(problem), /inner secret/)
  const line = (await started()).logs().find(({ message }) => message === 'a route failed')
  assert.equal(line?.['callId'], 'call-of-the-test')
  assert.match(String(line?.['error']), /inner secret/)
})

test('the description says what the routes take and answer', async () => {
  const document = JSON.parse(await (await call('/openapi.json')).text())
  assert.equal(document.openapi, '3.1.0')
  assert.deepEqual(Object.keys(document.paths), ['/healthz', '/openapi.json', '/v1/things/{id}', '/v1/login', '/v1/stream', '/v1/fail/{how}'])
  const { get, put } = document.paths['/v1/things/{id}']
  assert.deepEqual(get.security, [{ token: [] }])
  assert.deepEqual(document.paths['/healthz'].get.security, [])
  assert.deepEqual(get.parameters.map((one: { name: string; in: string; required: boolean }) => [one.name, one.in, one.required]), [
    ['id', 'path', true], ['size', 'query', false], ['tag', 'query', false], ['loud', 'query', false], ['if-none-match', 'header', false],
  ])
  assert.deepEqual(put.requestBody.content['application/json'].schema.properties.things.items, { $ref: '#/components/schemas/Thing' })
  assert.equal(document.components.schemas.Thing.properties.name.maxLength, 20)
  assert.ok(get.responses.default.content['application/problem+json'])
})

test('a service without its token does not start, and says which secret is missing', async () => {
  await using folder = { path: await mkdtemp(join(tmpdir(), 'bramble-secrets-')), async [Symbol.asyncDispose]() { await rm(this.path, { recursive: true }) } }
  await assert.rejects(startFunction('service', { secret_mount_path: folder.path }), /secret service-token cannot be read/)
  await writeFile(join(folder.path, 'service-token'), 'short')
  await assert.rejects(startFunction('service', { secret_mount_path: folder.path }), /at least 16/)
})

test('the process of these tests ends', async () => {
  await (await started())[Symbol.asyncDispose]()
  if (secretsFolder !== undefined) await rm(secretsFolder, { recursive: true })
})

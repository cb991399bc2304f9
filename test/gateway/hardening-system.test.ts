/** The API is closed to all without credentials, and no body is too large, too deep or too clever for it. */
import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { planJobs } from '../../platform/cron/plan.ts'
import { createAuthCheck } from '../../platform/gateway/auth.ts'
import { cases, test } from '../kit.ts'
import { openEmbedded } from '../queue/world.ts'
import { assertStillWorks, startRawGateway } from './raw-gateway.ts'
import { openWire, type WireAnswer } from './raw-wire.ts'

const gateway = join(import.meta.dirname, '../../platform/gateway')
const good = `Basic ${Buffer.from('admin:fixture-password').toString('base64')}`
/** Paths open to all, and only these. */
const open = new Set(['/', '/healthz'])

/** As the route table says; so that a new route is walked over too. */
const routes = [...readFileSync(join(gateway, 'server.ts'), 'utf8').matchAll(/\bapp\.(get|post|put|patch|delete|all)\('([^']+)'/g)]
  .map(([, method = '', path = '']) => ({ method: method.toUpperCase(), path }))

test('the route table is found, with every route of the API', () => {
  const names = routes.map(({ method, path }) => `${method} ${path}`)
  for (const name of [
    'GET /system/functions', 'POST /system/functions', 'PUT /system/functions', 'DELETE /system/functions',
    'GET /system/function/:name', 'POST /system/scale-function/:name', 'GET /system/secrets', 'POST /system/secrets',
    'PUT /system/secrets', 'DELETE /system/secrets', 'GET /system/namespaces', 'POST /system/namespace/',
    'GET /system/namespace/:name', 'PUT /system/namespace/:name', 'DELETE /system/namespace/:name', 'GET /system/logs',
    'GET /system/info', 'GET /healthz',
  ]) assert.ok(names.includes(name), name)
})

const paths = new Set([
  ...routes.map(({ path }) => path.replace(/:\w+/g, 'echo')),
  '/system', '/system/', '/system/nothing', '/ui', '/ui/', '/metrics', '/anything', '/system/telemetry', '/system/alert',
])

cases('without credentials nothing is said or done', [...paths].filter((path) => !open.has(path)).map((name) => ({ name })), async ({ name: path }) => {
  await using raw = await startRawGateway()
  const before = await stateOf(raw.provider)
  await Promise.all(METHODS.filter((one) => one !== 'CONNECT').map(async (method) => {
    const body = JSON.stringify({ service: 'echo', image: 'a/b', functionName: 'echo', name: 'echo', value: 'v', labels: { openfaas: '1' } })
    await using wire = await openWire(raw.port, { method })
    wire.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    const [answer] = await wire.closed()
    assert.equal(answer?.status, 401, method)
    assert.equal(answer?.headers['www-authenticate'], 'Basic realm="Restricted"', method)
    if (method !== 'HEAD') assert.equal(answer?.body, 'invalid credentials', method)
  }))
  assert.deepEqual(await stateOf(raw.provider), before)
})

test('with credentials the same paths answer', async () => {
  await using world = await openEmbedded()
  await using raw = await startRawGateway({
    more: { metrics: () => '', schedules: { list: () => [], check: planJobs }, queue: { dead: world.queue.dead, counts: () => [] } },
  })
  for (const { method, path } of routes.filter(({ method }) => method === 'GET')) {
    await using wire = await openWire(raw.port)
    wire.write(`${method} ${path.replace(/:\w+/g, 'echo')}${path === '/system/logs' ? '?name=echo' : ''} HTTP/1.1\r\nHost: a\r\nAuthorization: ${good}\r\n\r\n`)
    const [answer] = await wire.whole(1)
    assert.ok(answer?.status === 200 || path === '/system/namespace/:name', `${path}: ${answer?.status}`)
  }
})

const encode = (text: string): string => Buffer.from(text).toString('base64')
const authorizations = [
  { name: 'none', header: undefined, isGood: false },
  { name: 'the right ones', header: good, isGood: true },
  { name: 'the right ones, the scheme in lower case', header: good.replace('Basic', 'basic'), isGood: true },
  { name: 'an empty header', header: '', isGood: false },
  { name: 'the scheme alone', header: 'Basic', isGood: false },
  { name: 'the scheme and a space', header: 'Basic ', isGood: false },
  { name: 'a wrong password', header: `Basic ${encode('admin:wrong')}`, isGood: false },
  { name: 'a wrong user', header: `Basic ${encode('root:fixture-password')}`, isGood: false },
  { name: 'no password', header: `Basic ${encode('admin:')}`, isGood: false },
  { name: 'no colon', header: `Basic ${encode('admin')}`, isGood: false },
  { name: 'the beginning of the password', header: `Basic ${encode('admin:fixture')}`, isGood: false },
  { name: 'the password and more', header: `Basic ${encode('admin:fixture-password!')}`, isGood: false },
  { name: 'the password and a NUL', header: `Basic ${encode('admin:fixture-password\0')}`, isGood: false },
  { name: 'the password and a line end', header: `Basic ${encode('admin:fixture-password\n')}`, isGood: false },
  { name: 'capitals', header: `Basic ${encode('ADMIN:FIXTURE-PASSWORD')}`, isGood: false },
  { name: 'no base64', header: 'Basic admin:fixture-password', isGood: false },
  { name: 'the right ones twice', header: `${good} ${good}`, isGood: false },
  { name: 'another scheme', header: good.replace('Basic', 'Digest'), isGood: false },
  { name: 'an empty token', header: 'Bearer ', isGood: false },
  { name: 'the password as a token', header: 'Bearer fixture-password', isGood: false },
  { name: 'something very long', header: `Basic ${'A'.repeat(15_000)}`, isGood: false },
]

cases('credentials are right or they are not', authorizations, ({ header, isGood }) => {
  assert.equal(createAuthCheck({ user: 'admin', password: 'fixture-password' })(header), isGood)
})

test('without credentials of its own the gateway lets everybody in', () => {
  assert.equal(createAuthCheck(undefined)('Bearer '), true)
})

test('an empty password is a password', () => {
  const check = createAuthCheck({ user: 'admin', password: '' })
  assert.equal(check(`Basic ${encode('admin:')}`), true)
  assert.equal(check(undefined), false)
  assert.equal(check('Basic '), false)
})

test('credentials are compared in constant time, digest with digest', () => {
  const source = readFileSync(join(gateway, 'auth.ts'), 'utf8')
  assert.match(source, /timingSafeEqual\(digest\(/)
  assert.doesNotMatch(source, /password\s*===|===\s*password/)
})

test('the first of two authorization headers counts for nothing if the second is right', async () => {
  await using raw = await startRawGateway()
  const { status } = await send(raw.port, `GET /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: Basic x\r\nAuthorization: ${good}\r\n\r\n`)
  assert.equal(status, 401)
})

const LIMIT = 2 * 1024 * 1024

cases('a body that is too large for the API is a 413', [
  { name: 'by its length', head: `Content-Length: ${LIMIT + 1}`, body: '{' },
  { name: 'by a length beyond reason', head: 'Content-Length: 9007199254740991', body: '{' },
  { name: 'in chunks', head: 'Transfer-Encoding: chunked', body: `${(LIMIT + 10).toString(16)}\r\n${'a'.repeat(LIMIT + 10)}\r\n0\r\n\r\n` },
  packed('when it is unpacked', Buffer.alloc(20 * LIMIT)),
], async ({ head, body }) => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write(`POST /system/secrets HTTP/1.1\r\nHost: a\r\nAuthorization: ${good}\r\n${head}\r\n\r\n${body}`)
  assert.deepEqual((await wire.whole(1)).map(({ status }) => status), [413])
  await assertStillWorks(raw)
})

test('a secret of a mebibyte in base64 still fits', async () => {
  await using raw = await startRawGateway()
  const body = JSON.stringify({ name: 'large', rawValue: Buffer.alloc(1_048_576).toString('base64') })
  const { status } = await send(raw.port, `POST /system/secrets HTTP/1.1\r\nHost: a\r\nAuthorization: ${good}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  assert.equal(status, 202)
})

cases('a body that makes no sense is a 400 with a text', [
  { name: 'nothing', body: '' },
  { name: 'no JSON', body: '{"service": ' },
  { name: 'a text', body: '"hello"' },
  { name: 'null', body: 'null' },
  { name: 'a list', body: '[]' },
  { name: 'a list as deep as the limit allows', body: '['.repeat(1_000_000) },
  { name: 'an object as deep as the limit allows', body: '{"a":'.repeat(300_000) },
  { name: 'a deep object that is whole', body: `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}` },
  { name: 'bytes that are no text', body: '\xff\xfe\0{' },
  { name: 'a prototype', body: '{"__proto__":{"service":"a","image":"b"}}' },
  { name: 'a form', body: 'service=a&image=b' },
], async ({ body }) => {
  await using raw = await startRawGateway()
  const answer = await send(raw.port, `POST /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: ${good}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  assert.equal(answer.status, 400)
  assert.notEqual(answer.body, '')
  assert.doesNotMatch(answer.body, /\.ts|node_modules|at \w+ \(/, 'no stack')
  await assertStillWorks(raw)
})

cases('a body in an encoding the API cannot read is a 400', [
  { name: 'one nobody knows', head: 'Content-Encoding: rot13' },
  { name: 'gzip that is none', head: 'Content-Encoding: gzip' },
  { name: 'a character set nobody knows', head: 'Content-Type: application/json; charset=klingon' },
], async ({ head }) => {
  await using raw = await startRawGateway()
  const { status } = await send(raw.port, `POST /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: ${good}\r\n${head}\r\nContent-Length: 4\r\n\r\n{"a"`)
  assert.equal(status, 400)
  await assertStillWorks(raw)
})

cases('a body beyond body_limit is a 413 for a function', [
  { name: 'by its length', head: 'Content-Length: 100001', body: '' },
  { name: 'in chunks', head: 'Transfer-Encoding: chunked', body: `186a1\r\n${'a'.repeat(100_001)}\r\n0\r\n\r\n` },
], async ({ head, body }) => {
  await using raw = await startRawGateway({ limits: { bodyLimitBytes: 100_000 } })
  await using wire = await openWire(raw.port)
  wire.write(`POST /function/echo HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`)
  assert.deepEqual((await wire.whole(1)).map(({ status }) => status), [413])
  assert.deepEqual(raw.received, [])
  await assertStillWorks(raw)
})

test('a body of exactly body_limit goes through', async () => {
  await using raw = await startRawGateway({ limits: { bodyLimitBytes: 100_000 } })
  const { status, body } = await send(raw.port, `POST /function/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'a'.repeat(100_000)}`)
  assert.deepEqual([status, body.length], [200, 'POST /\n'.length + 100_000])
})

function packed(name: string, content: Buffer): { name: string; head: string; body: string } {
  const body = gzipSync(content).toString('latin1')
  return { name, head: `Content-Encoding: gzip\r\nContent-Length: ${body.length}`, body }
}

async function stateOf(provider: Awaited<ReturnType<typeof startRawGateway>>['provider']): Promise<unknown> {
  return [
    await provider.list('openfaas-fn'), await provider.secrets.list('openfaas-fn'), await provider.namespaces.list(),
  ]
}

async function send(port: number, bytes: string): Promise<WireAnswer> {
  await using wire = await openWire(port)
  wire.write(bytes)
  const [answer] = await wire.whole(1)
  return answer ?? assert.fail('no answer')
}

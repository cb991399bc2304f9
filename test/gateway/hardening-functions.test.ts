/** Functions that break HTTP: their callers get a 502 or a cut connection, never somebody else's answer. */
import * as assert from 'node:assert/strict'
import { cases, eventually, test } from '../kit.ts'
import { assertStillWorks, says, startRawGateway, type RawGateway, type Script } from './raw-gateway.ts'
import { openWire, type WireAnswer } from './raw-wire.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
/** No limit of the gateway ends a call by itself while a test waits. */
const unhurried = { upstreamTimeoutMs: 600_000, readTimeoutMs: 600_000, writeTimeoutMs: 600_000 }

type Broken = { readonly name: string; readonly script: Script }

const unreadable: readonly Broken[] = [
  { name: 'garbage', script: says('hello there\r\n\r\n') },
  { name: 'nothing, and a closed connection', script: says('', 'end') },
  { name: 'nothing, and a reset connection', script: says('', 'reset') },
  { name: 'half a head', script: says(`${OK}Content-Le`, 'end') },
  { name: 'a head without an end that is too large', script: says(`${OK}X: ${'a'.repeat(100_000)}`) },
  { name: 'two lengths that differ', script: says(`${OK}Content-Length: 2\r\nContent-Length: 5\r\n\r\nokxyz`) },
  { name: 'two lengths that are the same', script: says(`${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'a list of lengths', script: says(`${OK}Content-Length: 2, 2\r\n\r\nok`) },
  { name: 'a length below zero', script: says(`${OK}Content-Length: -2\r\n\r\nok`) },
  { name: 'a length that is no number', script: says(`${OK}Content-Length: two\r\n\r\nok`) },
  { name: 'a length and chunks', script: says(`${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`) },
  { name: 'chunks and a length', script: says(`${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n3\r\nabc\r\n0\r\n\r\n`) },
  { name: 'a NUL in a header', script: says(`${OK}X: a\0b\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'a control character in a header', script: says(`${OK}X: a\x01b\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'a bare carriage return in a header', script: says(`${OK}X: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'a folded header', script: says(`${OK}X: a\r\n b\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'bare line feeds', script: says('HTTP/1.1 200 OK\nContent-Length: 2\n\nok') },
  { name: 'a header without a name', script: says(`${OK}: a\r\nContent-Length: 2\r\n\r\nok`) },
  { name: 'a status of two digits', script: says('HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok') },
  { name: 'a status of four digits', script: says('HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok') },
  { name: 'a status below all', script: says('HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok') },
  { name: 'another protocol, unasked', script: says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nok') },
  { name: 'a TLS alert', script: says('\x15\x03\x01\x00\x02\x02\x28', 'end') },
]

cases('a function that answers what nobody can read is a 502', unreadable, async ({ script }) => {
  await using raw = await startRawGateway({ script })
  const { status, headers, isWhole } = await call(raw)
  assert.deepEqual([status, isWhole, headers['x-openfaas-internal']], [502, true, 'proxy'])
  await assertStillWorks(raw)
})

test('a call that may be sent again is, and is a 502 when the only replica is broken for good', async () => {
  let count = 0
  await using raw = await startRawGateway({ script: (socket) => { count++; socket.resetAndDestroy() } })
  assert.equal((await call(raw, 'GET')).status, 502)
  assert.equal(count, 2)
})

test('a call that may be sent again finds the only replica back', async () => {
  await using raw = await startRawGateway({
    script: (socket, _head, number) => {
      if (number === 1) socket.resetAndDestroy()
      else socket.write(`${OK}Content-Length: 2\r\n\r\nok`)
    },
  })
  assert.deepEqual([(await call(raw, 'GET')).body], ['ok'])
})

cases('an answer that breaks off cuts the connection, so that nobody takes it for whole', [
  { name: 'half a body', script: says(`${OK}Content-Length: 10\r\n\r\nhalf`, 'end') },
  { name: 'half a body, and a reset', script: (socket) => { socket.write(`${OK}Content-Length: 10\r\n\r\nhalf`, () => setImmediate(() => socket.resetAndDestroy())) } },
  { name: 'half a chunk', script: says(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhal`, 'end') },
  { name: 'no last chunk', script: says(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n`, 'end') },
  { name: 'a chunk that is none', script: says(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\nzz\r\n`) },
  { name: 'a body that stops', script: says(`${OK}Content-Length: 10\r\n\r\nhalf`) },
  { name: 'chunks that stop', script: says(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n`) },
] satisfies readonly Broken[], async ({ script }) => {
  await using raw = await startRawGateway({ script, limits: { upstreamTimeoutMs: 500 } })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  const [answer, ...more] = await wire.closed()
  assert.ok(answer !== undefined && !answer.isWhole, JSON.stringify(answer))
  assert.deepEqual(more, [])
  await assertStillWorks(raw)
})

test('a function that never answers is a 504', async () => {
  await using raw = await startRawGateway({ script: () => undefined, limits: { upstreamTimeoutMs: 300 } })
  assert.equal((await call(raw)).status, 504)
  await assertStillWorks(raw)
})

cases('what is odd but can be read goes through', [
  { name: 'an early hint first', script: says('HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), is: [200, 'ok'] },
  { name: 'a body that ends with the connection', script: says(`${OK}\r\nok`, 'end'), is: [200, 'ok'] },
  { name: 'HTTP/1.0', script: says('HTTP/1.0 200 OK\r\n\r\nok', 'end'), is: [200, 'ok'] },
  { name: 'no reason', script: says('HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok'), is: [200, 'ok'] },
  { name: 'a status nobody knows', script: says('HTTP/1.1 299 What\r\nContent-Length: 2\r\n\r\nok'), is: [299, 'ok'] },
  { name: 'a status above all', script: says('HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nok'), is: [999, 'ok'] },
  { name: 'headers named like the properties of an object', script: says(`${OK}constructor: a\r\n__proto__: b\r\ntoString: c\r\nContent-Length: 2\r\n\r\nok`), is: [200, 'ok'] },
  { name: 'two thousand headers', script: says(`${OK}${'X: a\r\n'.repeat(2_000)}Content-Length: 2\r\n\r\nok`), is: [200, 'ok'] },
  { name: 'an answer before the body has been read', script: says('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno', 'end'), is: [413, 'no'] },
  { name: 'more than its length', script: says(`${OK}Content-Length: 2\r\n\r\nokMORE`), is: [200, 'ok'] },
  { name: 'no body, and bytes all the same', script: says('HTTP/1.1 204 No Content\r\n\r\nMORE'), is: [204, ''] },
], async ({ script, is }) => {
  await using raw = await startRawGateway({ script })
  const { status, body } = await call(raw)
  assert.deepEqual([status, body], is)
  await assertStillWorks(raw)
})

test('an answer without a body has no length', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok') })
  const { status, headers } = await call(raw)
  assert.deepEqual([status, headers['content-length'], headers['transfer-encoding']], [204, undefined, undefined])
})

test('the length that a 304 tells stays', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 304 Not Modified\r\nContent-Length: 200\r\nETag: "a"\r\n\r\n') })
  const { status, headers } = await call(raw, 'GET')
  assert.deepEqual([status, headers['content-length'], headers['etag']], [304, '200', '"a"'])
})

test('bytes beyond ASCII in a header arrive as they were sent', async () => {
  await using raw = await startRawGateway({ script: says(`${OK}X-Utf: \xc3\xa9\xe2\x82\xac\r\nX-Latin: \xe9\r\nContent-Length: 2\r\n\r\nok`) })
  const { headers } = await call(raw)
  assert.deepEqual([headers['x-utf'], headers['x-latin']], ['\xc3\xa9\xe2\x82\xac', '\xe9'])
})

test('headers that end at each connection are left out both ways, those that Connection names too', async () => {
  await using raw = await startRawGateway({
    script: says(`${OK}Connection: X-Secret, keep-alive\r\nX-Secret: s\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\nTE: x\r\n` +
      'Trailer: y\r\nProxy-Authenticate: z\r\nProxy-Connection: q\r\nX-Kept: k\r\nContent-Length: 2\r\n\r\nok'),
  })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, keep-alive\r\nConnection: x-other\r\nX-Mine: m\r\n' +
    'X-Other: o\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\nTrailer: t\r\nProxy-Authorization: p\r\nProxy-Connection: q\r\n' +
    'HTTP2-Settings: h\r\nX-Kept: k\r\n\r\n')
  const [answer] = await wire.whole(1)
  const names = Object.keys(answer?.headers ?? {})
  assert.ok(names.includes('x-kept'))
  for (const name of ['x-secret', 'upgrade', 'te', 'trailer', 'proxy-authenticate', 'proxy-connection']) {
    assert.ok(!names.includes(name), `${name} of the function`)
  }
  assert.notEqual(answer?.headers['keep-alive'], 'timeout=9')
  const sent = raw.rawBytes().toLowerCase()
  assert.match(sent, /\r\nx-kept: k\r\n/)
  for (const name of ['x-mine', 'x-other', 'keep-alive: timeout', 'te:', 'trailer', 'proxy-authorization', 'proxy-connection', 'http2-settings']) {
    assert.ok(!sent.includes(`\r\n${name}`), `${name} of the caller`)
  }
})

cases('Connection cannot name away what protects the function', [
  { name: 'the length', header: 'Content-Length' },
  { name: 'who called', header: 'X-Forwarded-For' },
  { name: 'the host', header: 'X-Forwarded-Host' },
  { name: 'the credentials', header: 'Authorization' },
  { name: 'the call', header: 'X-Call-Id' },
  { name: 'the time', header: 'X-Start-Time' },
], async ({ header }) => {
  await using raw = await startRawGateway({ script: says(`${OK}Content-Length: 2\r\n\r\nok`) })
  await using wire = await openWire(raw.port)
  wire.write(`POST /function/raw HTTP/1.1\r\nHost: a\r\nConnection: close, ${header}\r\nAuthorization: x\r\nContent-Length: 2\r\n\r\nhi`)
  await wire.whole(1)
  assert.match(raw.rawBytes().toLowerCase(), new RegExp(`\r\n${header.toLowerCase()}: `))
})

test('a function cannot speak for the gateway', async () => {
  await using raw = await startRawGateway({
    script: says(`${OK}X-Call-Id: forged\r\nX-Served-By: forged\r\nX-Start-Time: 0\r\nContent-Length: 2\r\n\r\nok`),
  })
  const { headers } = await call(raw)
  assert.doesNotMatch(`${headers['x-call-id']} ${headers['x-served-by']}`, /forged/)
  assert.match(headers['x-start-time'] ?? '', /^\d{19}$/)
})

test('trailers of either side stay where they are', async () => {
  await using raw = await startRawGateway({
    script: says(`${OK}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: t\r\nX-Served-By: t\r\n\r\n`),
  })
  await using wire = await openWire(raw.port)
  wire.write('POST /function/raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Admin\r\n\r\n2\r\nhi\r\n0\r\nX-Admin: yes\r\n\r\n')
  const [answer] = await wire.whole(1)
  assert.equal(answer?.body, 'ok')
  assert.doesNotMatch(wire.text(), /x-t:/i)
  assert.doesNotMatch(raw.rawBytes(), /x-admin/i)
})

test('a function that says too much mixes up no answers', async () => {
  // Each answer is followed by a second one, which a careless client would take for the next call's.
  await using raw = await startRawGateway({
    script: (socket, head) => {
      const token = /^GET \/(\d+) /.exec(head)?.[1] ?? '?'
      const body = `for ${token}`
      socket.write(`${OK}Content-Length: ${body.length}\r\n\r\n${body}${OK}Content-Length: 6\r\n\r\npoison`)
    },
  })
  const answers = await Promise.all(Array.from({ length: 8 }, async (_, worker) => {
    const list: [string, WireAnswer][] = []
    for (let round = 0; round < 25; round++) {
      const token = String(worker * 100 + round)
      list.push([token, await call(raw, 'GET', `/${token}`)])
    }
    return list
  }))
  const wrong = answers.flat().filter(([token, { status, body }]) => status !== 502 && body !== `for ${token}`)
  assert.deepEqual(wrong, [])
  assert.ok(answers.flat().some(([, { status }]) => status === 200))
})

test('a caller who hangs up ends the call at the function', async () => {
  await using raw = await startRawGateway({ script: () => undefined, limits: unhurried })
  const wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually('the function has the call', () => raw.rawBytes() !== '')
  wire.socket.destroy()
  await eventually('the call is taken back', () => raw.rawOpen() === 0)
  await eventually('nothing is under way', () => [...raw.gateway.snapshot().functions].every(({ inFlight }) => inFlight === 0))
  await assertStillWorks(raw)
})

test('a caller who hangs up in the middle of a body ends the call at the function', async () => {
  await using raw = await startRawGateway({ script: () => undefined, limits: unhurried })
  const wire = await openWire(raw.port)
  wire.write(`POST /function/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'a'.repeat(50_000)}`)
  await eventually('the function has half of it', () => raw.rawBytes().includes('aaaa'))
  wire.socket.resetAndDestroy()
  await eventually('the call is taken back', () => raw.rawOpen() === 0)
  await assertStillWorks(raw)
})

test('a caller who hangs up in the middle of an answer ends the call at the function', async () => {
  await using raw = await startRawGateway({ script: says(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`), limits: unhurried })
  const wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually('the answer has begun', () => wire.text().includes('first'))
  wire.socket.destroy()
  await eventually('the call is taken back', () => raw.rawOpen() === 0)
  await assertStillWorks(raw)
})

async function call(raw: RawGateway, method = 'POST', path = ''): Promise<WireAnswer> {
  await using wire = await openWire(raw.port)
  wire.write(`${method} /function/raw${path} HTTP/1.1\r\nHost: a\r\n${method === 'POST' ? 'Content-Length: 2\r\n\r\nhi' : '\r\n'}`)
  const [answer] = await wire.whole(1)
  return answer ?? assert.fail('no answer')
}

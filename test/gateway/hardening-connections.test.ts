/** Connections that stall, crowd, break off or run ahead: the others do not notice. */
import * as assert from 'node:assert/strict'
import { cases, eventually, test } from '../kit.ts'
import { assertStillWorks, says, startRawGateway, type RawGateway } from './raw-gateway.ts'
import { openWire, type Wire } from './raw-wire.ts'

const SHORT_MS = 300
const credentials = `Authorization: Basic ${Buffer.from('admin:fixture-password').toString('base64')}\r\n`

cases('a head that does not arrive in time is a 408', [
  { name: 'nothing at all', bytes: '' },
  { name: 'half a line', bytes: 'GET /function/ec' },
  { name: 'a head without its end', bytes: 'GET /function/echo HTTP/1.1\r\nHost: a\r\nX: y\r\n' },
], async ({ bytes }) => {
  await using raw = await startRawGateway({ limits: { readTimeoutMs: SHORT_MS } })
  await using wire = await openWire(raw.port)
  wire.write(bytes)
  assert.deepEqual((await wire.closed()).map(({ status }) => status), [408])
  assert.deepEqual(raw.received, [])
  await assertStillWorks(raw)
})

test('a head that drips in letter by letter is a 408 all the same', async () => {
  await using raw = await startRawGateway({ limits: { readTimeoutMs: SHORT_MS } })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\nX: ')
  const timer = setInterval(() => wire.write('y'), 20)
  assert.deepEqual((await wire.closed().finally(() => clearInterval(timer))).map(({ status }) => status), [408])
  await assertStillWorks(raw)
})

test('the second head of a connection has the same time', async () => {
  await using raw = await startRawGateway({ limits: { readTimeoutMs: SHORT_MS } })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.whole(1)
  wire.write('GET /function/echo HTTP/1.1\r\n')
  assert.deepEqual((await wire.closed()).map(({ status }) => status), [200, 408])
})

cases('a body that does not arrive in time is a 408', [
  { name: 'a small one', head: 'Content-Length: 5', body: 'ha', target: '/function/echo' },
  { name: 'none of it', head: 'Content-Length: 5', body: '', target: '/function/echo' },
  { name: 'a large one', head: 'Content-Length: 100000', body: 'a'.repeat(40_000), target: '/function/echo' },
  { name: 'none of a large one', head: 'Content-Length: 100000', body: '', target: '/function/echo' },
  { name: 'one in chunks', head: 'Transfer-Encoding: chunked', body: '2\r\nha\r\n', target: '/function/echo' },
  { name: 'half a chunk', head: 'Transfer-Encoding: chunked', body: 'ff\r\nha', target: '/function/echo' },
  { name: 'no chunk', head: 'Transfer-Encoding: chunked', body: '', target: '/function/echo' },
  { name: 'one for the API', head: `${credentials}Content-Length: 5`, body: '{"a', target: '/system/functions' },
  { name: 'one for the API in chunks', head: `${credentials}Transfer-Encoding: chunked`, body: '2\r\n{"\r\n', target: '/system/secrets' },
], async ({ head, body, target }) => {
  await using raw = await startRawGateway({ limits: { readTimeoutMs: SHORT_MS } })
  await using wire = await openWire(raw.port)
  wire.write(`POST ${target} HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`)
  assert.deepEqual((await wire.closed()).map(({ status }) => status), [408])
  assert.deepEqual(raw.received, [], 'no function got a whole request')
  await assertStillWorks(raw)
  assert.ok([...raw.gateway.snapshot().functions].every(({ inFlight }) => inFlight === 0))
})

cases('a body that is still missing when the answer has gone out holds no connection for ever', [
  { name: 'at a function', target: '/function/raw', head: 'Content-Length: 100000', body: 'hi' },
  { name: 'in chunks at a function', target: '/function/raw', head: 'Transfer-Encoding: chunked', body: '2\r\nhi\r\n' },
  { name: 'at a path open to all', target: '/healthz', head: 'Content-Length: 5', body: 'hi' },
], async ({ target, head, body }) => {
  await using raw = await startRawGateway({ limits: { idleTimeoutMs: SHORT_MS }, script: says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
  await using wire = await openWire(raw.port)
  wire.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`)
  assert.deepEqual((await wire.closed()).map(({ status }) => status), [200])
  await assertStillWorks(raw)
})

test('who may not ask is refused before the body is waited for', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('POST /system/functions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{')
  assert.deepEqual((await wire.closed()).map(({ status }) => status), [401])
})

test('a follower of logs is not ended by the time limit for bodies', async () => {
  await using raw = await startRawGateway({ limits: { readTimeoutMs: SHORT_MS } })
  await using wire = await openWire(raw.port)
  wire.write(`GET /system/logs?name=echo&follow=true HTTP/1.1\r\nHost: a\r\n${credentials}\r\n`)
  await using other = await openWire(raw.port)
  // The other connection shows that the limit has passed, twice.
  await other.closed()
  await using third = await openWire(raw.port)
  await third.closed()
  assert.equal(wire.isClosed(), false)
  raw.provider.releaseLateLogs()
  assert.deepEqual((await wire.whole(1)).map(({ status }) => status), [200])
})

test('a caller who does not read the answer is cut off, and the function is free again', async () => {
  await using raw = await startRawGateway({
    limits: { writeTimeoutMs: SHORT_MS },
    script: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
      const more = (): void => { while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) continue }
      socket.on('drain', more)
      more()
    },
  })
  await using wire = await openWire(raw.port)
  wire.socket.pause()
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually('the function has the call', () => raw.rawOpen() === 1)
  await eventually('the call is taken back', () => raw.rawOpen() === 0)
  await assertStillWorks(raw)
})

test('two thousand idle connections leave room for calls', async () => {
  await using raw = await startRawGateway()
  const idle = await Promise.all(Array.from({ length: 2_000 }, () => openWire(raw.port)))
  try {
    // Half of them have made a call, the others have never said a word.
    for (const wire of idle.slice(1_000)) wire.write('GET /function/echo/a HTTP/1.1\r\nHost: a\r\n\r\n')
    await Promise.all(idle.slice(1_000).map((wire) => wire.whole(1)))
    for (let count = 0; count < 20; count++) await assertStillWorks(raw)
    assert.equal(idle.filter((wire) => wire.isClosed()).length, 0)
  } finally {
    for (const wire of idle) wire.socket.destroy()
  }
})

test('connections beyond the limit are turned away, and room is made when others leave', async () => {
  await using raw = await startRawGateway({ limits: { maxConnections: 10 } })
  const idle = await Promise.all(Array.from({ length: 10 }, () => openWire(raw.port)))
  await using one = await openWire(raw.port)
  assert.deepEqual(await one.closed(), [])
  for (const wire of idle) wire.socket.destroy()
  await eventually('a call is answered again', async () => {
    await using wire = await openWire(raw.port)
    wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n')
    await eventually('an answer or the end', () => wire.isClosed() || wire.answers().length > 0)
    return wire.answers().length > 0
  })
})

test('pipelined requests are answered in their order, whichever function is faster', async () => {
  await using raw = await startRawGateway({
    script: (socket, head) => {
      const number = Number(/\/(\d+) HTTP/.exec(head)?.[1])
      // The first are the slowest.
      setTimeout(() => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(number).length}\r\n\r\n${number}`), 100 - number)
    },
  })
  await using wire = await openWire(raw.port)
  const numbers = Array.from({ length: 100 }, (_, index) => index)
  wire.write(numbers.map((number) => number % 3 === 0
    ? `POST /function/echo/${number} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`
    : `GET /function/raw/${number} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  const answers = await wire.whole(numbers.length)
  assert.deepEqual(answers.map(({ body }) => body), numbers.map((number) => number % 3 === 0 ? `POST /${number}\nhi` : String(number)))
})

cases('garbage behind a request never becomes part of its answer', [
  { name: 'while the function thinks', begin: '' },
  { name: 'while the answer streams', begin: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun' },
  { name: 'while the answer streams in chunks', begin: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n' },
], async ({ begin }) => {
  await using raw = await startRawGateway({ script: says(begin) })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually('the function has the call', () => raw.rawBytes() !== '' && (begin === '' || wire.text().includes('begun')))
  wire.write('GARBAGE\r\n\r\n')
  await wire.closed()
  assert.doesNotMatch(wire.text(), /1\.1 400|not valid/)
  await assertStillWorks(raw)
})

test('a slow head behind a request does not become part of its answer', async () => {
  await using raw = await startRawGateway({
    limits: { readTimeoutMs: SHORT_MS }, script: says('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun'),
  })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\nGET /func')
  await wire.closed()
  assert.doesNotMatch(wire.text(), /1\.1 408|in time/)
})

test('HTTP/1.0 gets an answer without chunks that ends with the connection', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n') })
  await using wire = await openWire(raw.port)
  wire.write('GET /function/raw HTTP/1.0\r\n\r\n')
  const [answer] = await wire.closed()
  assert.deepEqual([answer?.status, answer?.headers['transfer-encoding'], answer?.body], [200, undefined, 'ok'])
})

test('HTTP/1.0 without a host, with keep-alive and a length, goes on', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
  await using wire = await openWire(raw.port)
  for (const count of [1, 2]) {
    wire.write('GET /function/raw HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    assert.equal((await wire.whole(count)).at(-1)?.body, 'ok')
  }
})

test('a caller who waits for 100 Continue gets it, once', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('POST /function/echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
  assert.deepEqual((await wire.whole(1)).map(({ status }) => status), [100])
  wire.write('hi')
  assert.deepEqual((await wire.whole(2)).map(({ status, body }) => [status, body]), [[100, ''], [200, 'POST /\nhi']])
})

test('an expectation nobody knows is a 417', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n')
  assert.equal((await wire.whole(1))[0]?.status, 417)
  assert.deepEqual(raw.received, [])
})

cases('the answer to HEAD has no body, and the next answer is its own', [
  { name: 'with a length', script: says('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'), length: '10' },
  { name: 'without one', script: says('HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n'), length: undefined },
], async ({ script, length }) => {
  await using raw = await startRawGateway({ script })
  await using wire = await openWire(raw.port, { method: 'HEAD' })
  wire.write('HEAD /function/raw HTTP/1.1\r\nHost: a\r\n\r\n')
  const [answer] = await wire.whole(1)
  assert.deepEqual([answer?.status, answer?.headers['content-length']], [200, length])
  wire.write('HEAD /function/echo HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal((await wire.whole(2))[1]?.status, 200)
  assert.equal(wire.text().split('\r\n\r\n').at(-1), '')
})

test('what the caller says of itself goes through or is replaced, and never breaks a line', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
  await using wire = await openWire(raw.port)
  wire.write(`GET /function/raw HTTP/1.1\r\nHost: a\r\nX-Call-Id: ${'x'.repeat(5_000)}\r\nX-Forwarded-For: 1.2.3.4\r\n` +
    'X-Start-Time: 1\r\nX-Latin: \xe9\r\n\r\n')
  const [answer] = await wire.whole(1)
  assert.match(answer?.headers['x-call-id'] ?? '', /^[-0-9a-f]{36}$/)
  const sent = raw.rawBytes()
  assert.match(sent, /\r\nX-Call-Id: [-0-9a-f]{36}\r\n/)
  assert.match(sent, /\r\nX-Forwarded-For: 1\.2\.3\.4\r\n/)
  assert.match(sent, /\r\nX-Start-Time: \d{19}\r\n/)
  assert.match(sent, /\r\nX-Latin: \xe9\r\n/)
})

test('an offer of HTTP/2 is passed over, and the body of its request arrives', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('POST /function/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n' +
    'Content-Length: 2\r\n\r\nhi')
  assert.equal((await wire.whole(1))[0]?.body, 'POST /\nhi')
})

test('an upgrade with a body is an ordinary request, and its body is no second one', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  const body = 'GET /function/echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  wire.write(`GET /function/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await wire.whole(1)
  assert.deepEqual(raw.received.map(({ path }) => path), ['/'])
})

const upgrade = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`

cases('a connection that was to become something else is refused in words, and ended', [
  { name: 'a tunnel', bytes: 'CONNECT other:80 HTTP/1.1\r\nHost: a\r\n\r\n', answer: '', status: 405 },
  { name: 'an upgrade of the API', bytes: upgrade('/system/functions'), answer: '', status: 404 },
  { name: 'an upgrade of no function', bytes: upgrade('/function/ghost'), answer: '', status: 404 },
  { name: 'an upgrade of a bad path', bytes: upgrade('/function/raw/../x'), answer: '', status: 400 },
  { name: 'an upgrade with two hosts', bytes: upgrade('/function/raw').replace('Host', 'Host: b\r\nHost'), answer: '', status: 400 },
  { name: 'an upgrade the function declines', bytes: upgrade('/function/raw'), answer: 'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno', status: 403 },
  { name: 'an upgrade to garbage', bytes: upgrade('/function/raw'), answer: 'what\r\n\r\n', status: 502 },
  { name: 'an upgrade nobody answers', bytes: upgrade('/function/raw'), answer: '', status: 504 },
], async ({ bytes, answer, status }) => {
  await using raw = await startRawGateway({ script: says(answer), limits: { upstreamTimeoutMs: SHORT_MS } })
  // The caller keeps its side open; the gateway must end it all the same, or it would hold the connection for ever.
  await using wire = await openWire(raw.port, { isHalfOpen: true })
  const gone = new Promise<void>((resolve) => wire.socket.on('error', () => resolve()).on('close', () => resolve()))
  wire.write(bytes)
  assert.deepEqual((await wire.closed()).map((one) => one.status), [status])
  const poke = setInterval(() => wire.socket.write('x'), 20)
  await gone.finally(() => clearInterval(poke))
  await assertStillWorks(raw)
})

test('an answer to an upgrade that breaks off cuts the connection', async () => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 403 No\r\nContent-Length: 20\r\n\r\nhalf', 'end') })
  await using wire = await openWire(raw.port, { isHalfOpen: true })
  wire.write(upgrade('/function/raw'))
  assert.ok((await wire.closed()).every(({ isWhole }) => !isWhole))
  assert.ok([...raw.gateway.snapshot().functions].every(({ inFlight }) => inFlight === 0))
})

cases('a caller who leaves an upgrade leaves nothing behind, though the function never ends it', [
  { name: 'while the function thinks', answer: '', upstreamTimeoutMs: 60_000 },
  { name: 'while the function declines', answer: 'HTTP/1.0 403 No\r\n\r\nno', upstreamTimeoutMs: SHORT_MS },
  { name: 'when it is upgraded', answer: 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nno', upstreamTimeoutMs: SHORT_MS },
], async ({ answer, upstreamTimeoutMs }) => {
  await using raw = await startRawGateway({ script: says(answer), limits: { upstreamTimeoutMs } })
  const wire = await openWire(raw.port)
  wire.write(`${upgrade('/function/raw')}frame`)
  await eventually('the function has the call', () => raw.rawBytes() !== '' && wire.text().length >= answer.length)
  wire.socket.destroy()
  await eventually('nothing is under way', () => [...raw.gateway.snapshot().functions].every(({ inFlight }) => inFlight === 0))
  await eventually('the function is left', () => raw.rawOpen() === 0)
})

test('an upgraded connection carries bytes both ways, and the handshake keeps its bytes', async () => {
  await using raw = await startRawGateway({
    script: (socket) => {
      socket.write('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Latin: \xe9\r\nX-Call-Id: forged\r\n\r\nhello', 'latin1')
    },
  })
  await using wire = await openWire(raw.port)
  wire.write(upgrade('/function/raw') + 'early')
  await eventually('the first bytes arrive', () => wire.text().endsWith('hello'))
  assert.match(wire.text(), /\r\nX-Latin: \xe9\r\n/)
  assert.doesNotMatch(wire.text(), /forged/)
  wire.write('\0\xff later')
  await eventually('the last bytes arrive', () => raw.rawBytes().endsWith('early\0\xff later'))
  wire.socket.destroy()
  await eventually('the function is left', () => raw.rawOpen() === 0)
})

cases('a caller who resets the connection at a bad moment ends nothing but it', [
  { name: 'after asking for a tunnel', bytes: 'CONNECT other:80 HTTP/1.1\r\nHost: a\r\n\r\n' },
  { name: 'after an upgrade of the API', bytes: upgrade('/system/functions') },
  { name: 'after an upgrade of no function', bytes: upgrade('/function/ghost') },
  { name: 'after an upgrade', bytes: upgrade('/function/raw') },
  { name: 'after half a head', bytes: 'GET /func' },
  { name: 'after a call', bytes: 'GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n' },
  { name: 'in a body', bytes: 'POST /function/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\naaa' },
  { name: 'after garbage', bytes: 'GARBAGE\r\n\r\n' },
], async ({ bytes }) => {
  await using raw = await startRawGateway({ script: says('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello') })
  for (let round = 0; round < 20; round++) {
    const wire = await openWire(raw.port)
    wire.write(bytes)
    // At once, after the bytes have left, and when an answer is under way.
    if (round % 3 === 1) await new Promise((resolve) => setImmediate(resolve))
    if (round % 3 === 2) await new Promise((resolve) => setTimeout(resolve, round))
    wire.socket.resetAndDestroy()
  }
  await assertStillWorks(raw)
  await eventually('nothing is under way', () => [...raw.gateway.snapshot().functions].every(({ inFlight }) => inFlight === 0))
})

test('a gateway that stops answers the request that is on its way on a kept connection', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.whole(1)
  const stopped = raw.gateway.stop()
  wire.write('GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n')
  const answers = await wire.closed()
  assert.deepEqual(answers.map(({ status, headers }) => [status, headers['connection']]), [[200, 'keep-alive'], [200, 'close']])
  await stopped
})

cases('a gateway stops though somebody holds a connection', [
  { name: 'idle', prepare: async (wire: Wire) => { wire.write('') } },
  { name: 'with half a head', prepare: async (wire: Wire) => { wire.write('GET /func') } },
  { name: 'with half a body', prepare: async (wire: Wire) => { wire.write('POST /function/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf') } },
  { name: 'refused as a tunnel', prepare: async (wire: Wire) => { wire.write('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'); await wire.whole(1) } },
  { name: 'refused as an upgrade', prepare: async (wire: Wire) => { wire.write(upgrade('/function/ghost')); await wire.whole(1) } },
  { name: 'upgraded', prepare: async (wire: Wire) => { wire.write(upgrade('/function/raw')); await eventually('upgraded', () => wire.text().includes('hello')) } },
  { name: 'waiting for an answer', prepare: async (wire: Wire, raw: RawGateway) => { wire.write('GET /function/raw HTTP/1.1\r\nHost: a\r\n\r\n'); await eventually('called', () => raw.rawBytes() !== '') } },
], async ({ prepare }) => {
  await using raw = await startRawGateway({
    limits: { shutdownTimeoutMs: SHORT_MS },
    script: (socket, head) => { if (head.includes('Upgrade')) socket.write('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello') },
  })
  await using wire = await openWire(raw.port, { isHalfOpen: true })
  await prepare(wire, raw)
  let isStopped = false
  void raw.gateway.stop().then(() => { isStopped = true })
  await eventually('it has stopped', () => isStopped)
})

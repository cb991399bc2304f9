/** Requests that are not what they say: none crashes, hangs or smuggles a second request past the gateway. */
import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { assertStillWorks, startRawGateway } from './raw-gateway.ts'
import { exchange, openWire } from './raw-wire.ts'

/** What an attacker wants somebody to take for a request of its own. */
const hidden = 'GET /function/echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

type Malformed = { readonly name: string; readonly bytes: string; readonly statuses?: readonly number[] }

const framing: readonly Malformed[] = [
  post('two lengths that differ', 'Content-Length: 2\r\nContent-Length: 60', `hi${hidden}`),
  post('two lengths that are the same', 'Content-Length: 2\r\nContent-Length: 2', `hi${hidden}`),
  post('a list of lengths', 'Content-Length: 2, 2', `hi${hidden}`),
  post('a length below zero', 'Content-Length: -1', hidden),
  post('a length with a plus', 'Content-Length: +2', `hi${hidden}`),
  post('a length in hexadecimal', 'Content-Length: 0x2', `hi${hidden}`),
  post('an empty length', 'Content-Length: ', hidden),
  post('a length with a space inside', 'Content-Length: 1 0', `hi${hidden}`),
  post('a length with a point', 'Content-Length: 2.0', `hi${hidden}`),
  post('a length of more than 64 bits', 'Content-Length: 18446744073709551618', `hi${hidden}`),
  post('a length beyond body_limit', 'Content-Length: 99999999999', `hi${hidden}`, [413]),
  post('a length before chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('chunks before a length', 'Transfer-Encoding: chunked\r\nContent-Length: 2', `0\r\n\r\n${hidden}`),
  post('a length beside an empty encoding', 'Transfer-Encoding:\r\nContent-Length: 2', `hi${hidden}`),
  post('a length beside an unknown encoding', 'Content-Length: 2\r\nTransfer-Encoding: x', `hi${hidden}`),
  post('chunked in two headers', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('chunked twice in one header', 'Transfer-Encoding: chunked, chunked', `0\r\n\r\n${hidden}`),
  post('an encoding called xchunked', 'Transfer-Encoding: xchunked', `0\r\n\r\n${hidden}`),
  post('chunked, then identity', 'Transfer-Encoding: chunked, identity', `0\r\n\r\n${hidden}`),
  post('identity', 'Transfer-Encoding: identity', `0\r\n\r\n${hidden}`),
  post('identity, then chunked in another header', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('identity, then chunked', 'Transfer-Encoding: identity, chunked', `0\r\n\r\n${hidden}`),
  post('gzip, then chunked', 'Transfer-Encoding: gzip, chunked', `0\r\n\r\n${hidden}`),
  post('an empty entry, then chunked', 'Transfer-Encoding: ,chunked', `0\r\n\r\n${hidden}`),
  post('chunked in quotes', 'Transfer-Encoding: "chunked"', `0\r\n\r\n${hidden}`),
  post('chunked with a parameter', 'Transfer-Encoding: chunked;x=y', `0\r\n\r\n${hidden}`),
  post('chunked after a vertical tab', 'Transfer-Encoding:\x0bchunked', `0\r\n\r\n${hidden}`),
  post('chunked after a NUL', 'Transfer-Encoding: \0chunked', `0\r\n\r\n${hidden}`),
  post('chunked on a folded line', 'Transfer-Encoding:\r\n chunked', `0\r\n\r\n${hidden}`),
  post('a space before the colon of the encoding', 'Transfer-Encoding : chunked', `0\r\n\r\n${hidden}`),
  post('a tab before the colon of the encoding', 'Transfer-Encoding\t: chunked', `0\r\n\r\n${hidden}`),
  post('a space before the name of the encoding', 'X: y\r\n Transfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('the encoding after a bare line feed', 'X: y\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('the length after a bare carriage return', 'X: y\rContent-Length: 2', `hi${hidden}`),
  { name: 'chunks in HTTP/1.0', bytes: `POST /function/echo/first HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}` },
  { name: 'bare line feeds all over', bytes: `POST /function/echo/first HTTP/1.1\nHost: a\n\n${hidden}` },
]

const chunks: readonly Malformed[] = [
  chunked('a size below zero', `-1\r\n${hidden}`),
  chunked('a size with a plus', `+2\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a size with 0x', `0x2\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a size of more than 64 bits', `fffffffffffffffff\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a size that is no number', `zz\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('no size', `\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a space before the size', ` 2\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a space after the size', `2 \r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('a size that ends in a bare line feed', `2\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('an extension that ends in a bare line feed', `2;a\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('an extension with a carriage return', `2;a\rb\r\nhi\r\n0\r\n\r\n${hidden}`),
  chunked('data longer than its size', `2\r\nhi there\r\n0\r\n\r\n${hidden}`),
  chunked('data without its line end', `2\r\nhi0\r\n\r\n${hidden}`),
  chunked('a last chunk that ends in bare line feeds', `0\n\n${hidden}`),
  chunked('a trailer that is a length', `2\r\nhi\r\n0\r\nContent-Length: 50\r\n\r\n${hidden}`),
  chunked('a trailer with a NUL', `2\r\nhi\r\n0\r\nX: a\0\r\n\r\n${hidden}`),
]

const heads: readonly Malformed[] = [
  head('a NUL in a value', 'X: a\0b'),
  head('a NUL in a name', 'X\0: a'),
  head('a control character in a value', 'X: a\x01b'),
  head('a delete character in a value', 'X: a\x7fb'),
  head('a bare carriage return in a value', 'X: a\rb'),
  head('a folded line', 'X: a\r\n b'),
  head('a folded line with a tab', 'X: a\r\n\tb'),
  head('a space before a colon', 'X : a'),
  head('a line without a colon', 'X'),
  head('a line without a name', ': a'),
  head('a bracket in a name', 'X(: a'),
  head('a name beyond ASCII', 'X\xc3\xa9: a'),
  head('two hosts', 'Host: b'),
  head('two hosts that are the same', 'Host: a'),
  { name: 'no host', bytes: `GET /function/echo/first HTTP/1.1\r\n\r\n${hidden}` },
  { name: 'a host with a path', bytes: `GET /function/echo/first HTTP/1.1\r\nHost: a/../b\r\n\r\n${hidden}` },
  { name: 'a host with a space', bytes: `GET /function/echo/first HTTP/1.1\r\nHost: a b\r\n\r\n${hidden}` },
  { name: 'a host list', bytes: `GET /function/echo/first HTTP/1.1\r\nHost: a, b\r\n\r\n${hidden}` },
  { name: 'HTTP/0.9', bytes: 'GET /function/echo/first\r\n\r\n' },
  { name: 'HTTP/0.9 with more behind it', bytes: `GET /function/echo/first\r\n\r\n${hidden}` },
  { name: 'HTTP/2.0 alone', bytes: 'GET /function/echo/first HTTP/2.0\r\nHost: a\r\n\r\n' },
  { name: 'HTTP/2.0', bytes: `GET /function/echo/first HTTP/2.0\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'HTTP/1.2', bytes: `GET /function/echo/first HTTP/1.2\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'HTTP/11.1', bytes: `GET /function/echo/first HTTP/11.1\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'http in lower case', bytes: `GET /function/echo/first http/1.1\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'the preface of HTTP/2', bytes: `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}` },
  { name: 'a TLS greeting', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { name: 'no HTTP at all', bytes: 'EHLO there\r\n' },
  { name: 'a method nobody knows', bytes: `FOO /function/echo/first HTTP/1.1\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'a method in lower case', bytes: `get /function/echo/first HTTP/1.1\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'a tab in the request line', bytes: `GET\t/function/echo/first HTTP/1.1\r\nHost: a\r\n\r\n${hidden}` },
  { name: 'a line end in the request line', bytes: `GET /function/echo\r\n/first HTTP/1.1\r\nHost: a\r\n\r\n${hidden}` },
]

cases('a body that two readers may cut differently is refused', framing, assertRefused)
cases('a chunk that two readers may read differently is refused', chunks, assertRefused)
cases('a head that is not HTTP is refused', heads, assertRefused)

cases('what is well-formed is taken, and what follows is a request of its own', [
  { name: 'a length', headers: 'Content-Length: 2', body: 'hi', is: 'hi' },
  { name: 'a length with zeros before it', headers: 'Content-Length: 002', body: 'hi', is: 'hi' },
  { name: 'a length with a space after it', headers: 'Content-Length: 2 ', body: 'hi', is: 'hi' },
  { name: 'chunks', headers: 'Transfer-Encoding: chunked', body: '2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n', is: 'hi yo' },
  { name: 'chunks, written large', headers: 'TRANSFER-ENCODING: CHUNKED', body: '2\r\nhi\r\n0\r\n\r\n', is: 'hi' },
  { name: 'chunks after a tab', headers: 'Transfer-Encoding:\tchunked', body: '2\r\nhi\r\n0\r\n\r\n', is: 'hi' },
  { name: 'chunks with a space after them', headers: 'Transfer-Encoding: chunked ', body: '2\r\nhi\r\n0\r\n\r\n', is: 'hi' },
  { name: 'a chunk with an extension', headers: 'Transfer-Encoding: chunked', body: '2;a=b\r\nhi\r\n0\r\n\r\n', is: 'hi' },
  { name: 'no body', headers: 'X: y', body: '', is: '' },
  { name: 'a body that looks like a request', headers: `Content-Length: ${hidden.length}`, body: hidden, is: hidden },
], async ({ headers, body, is }) => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write(`POST /function/echo/first HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}` +
    'GET /function/echo/second HTTP/1.1\r\nHost: a\r\n\r\n')
  const answers = await wire.whole(2)
  assert.deepEqual(answers.map((answer) => answer.body), [`POST /first\n${is}`, 'GET /second\n'])
  assert.deepEqual(raw.received.map((one) => one.path).sort(), ['/first', '/second'])
})

test('empty lines before a request are skipped, as the specification asks', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write('\r\n\r\nGET /function/echo/first HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal((await wire.whole(1))[0]?.body, 'GET /first\n')
})

cases('a head that is too large is refused', [
  { name: 'one long value', bytes: `GET /function/echo HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, status: 431 },
  { name: 'one long name', bytes: `GET /function/echo HTTP/1.1\r\nHost: a\r\n${'a'.repeat(20_000)}: x\r\n\r\n`, status: 431 },
  { name: 'a long path', bytes: `GET /function/echo/${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, status: 431 },
  { name: 'a head without end', bytes: `GET /function/echo HTTP/1.1\r\nHost: a\r\n${'X: aaaaaaaaaaaa\r\n'.repeat(4_000)}`, status: 431 },
  { name: 'headers without number', bytes: `GET /function/echo HTTP/1.1\r\nHost: a\r\n${'X: a\r\n'.repeat(300)}\r\n`, status: 400 },
  { name: 'trailers without end', bytes: `POST /function/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'X: aaaaaaaaaaaa\r\n'.repeat(4_000)}`, status: 431 },
], async ({ bytes, status }) => {
  await using raw = await startRawGateway()
  const answers = await exchange(raw.port, bytes)
  assert.deepEqual(answers.map((answer) => answer.status), [status])
  assert.deepEqual(raw.received, [])
  await assertStillWorks(raw)
})

test('a head just below the limit is taken', async () => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write(`GET /function/echo HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(15_000)}\r\n\r\n`)
  assert.equal((await wire.whole(1))[0]?.status, 200)
})

cases('the same is refused on the way to /system', [
  post('two lengths', 'Content-Length: 2\r\nContent-Length: 60', `hi${hidden}`),
  post('a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`),
  post('gzip, then chunked', 'Transfer-Encoding: gzip, chunked', `0\r\n\r\n${hidden}`),
  post('two hosts', 'Host: b', hidden),
].map((one) => ({ ...one, bytes: one.bytes.replace('/function/echo/first', '/system/functions') })), assertRefused)

async function assertRefused({ bytes, statuses = [400, 501] }: Malformed): Promise<void> {
  await using raw = await startRawGateway({ auth: 'none' })
  const answers = await exchange(raw.port, bytes)
  assert.equal(answers.length, 1, `one answer, then the end: ${JSON.stringify(answers)}`)
  const [answer] = answers
  assert.ok(answer !== undefined && statuses.includes(answer.status), `status ${answer?.status} is one of ${statuses.join(', ')}`)
  assert.ok(answer.isWhole)
  assert.deepEqual(raw.received, [], 'no function saw anything of it')
  await assertStillWorks(raw)
}

function post(name: string, headers: string, body: string, statuses?: readonly number[]): Malformed {
  const bytes = `POST /function/echo/first HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`
  return { name, bytes, ...(statuses ? { statuses } : {}) }
}

/** The function may have begun to read the body before it went wrong, but it never gets a whole request. */
function chunked(name: string, body: string): Malformed {
  return post(name, 'Transfer-Encoding: chunked', body)
}

function head(name: string, header: string): Malformed {
  return { name, bytes: `GET /function/echo/first HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n${hidden}` }
}

/** Paths that mean something else to a later reader: none reaches what it should not. */
import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { assertStillWorks, startRawGateway } from './raw-gateway.ts'
import { openWire } from './raw-wire.ts'

const credentials = `Authorization: Basic ${Buffer.from('admin:fixture-password').toString('base64')}\r\n`

cases('a path to a function that tries to leave it is refused', [
  { name: 'two dots as the name', target: '/function/../system/functions', status: 404 },
  { name: 'a dot as the name', target: '/function/./echo', status: 404 },
  { name: 'two dots after the name', target: '/function/echo/../../system/functions', status: 400 },
  { name: 'two dots last', target: '/function/echo/..', status: 400 },
  { name: 'a dot', target: '/function/echo/./x', status: 400 },
  { name: 'two dots before a question mark', target: '/function/echo/..?x', status: 400 },
  { name: 'two encoded dots', target: '/function/echo/%2e%2e/x', status: 400 },
  { name: 'two encoded dots, written large', target: '/function/echo/%2E%2E/x', status: 400 },
  { name: 'one encoded dot of two', target: '/function/echo/.%2e/x', status: 400 },
  { name: 'an encoded slash before the dots', target: '/function/echo/a%2f../x', status: 400 },
  { name: 'an encoded slash after the dots', target: '/function/echo/..%2fx', status: 400 },
  { name: 'all of it encoded', target: '/function/echo/%2e%2e%2f%2e%2e%2fsystem', status: 400 },
  { name: 'a backslash after the dots', target: '/function/echo/..\\x', status: 400 },
  { name: 'an encoded backslash after the dots', target: '/function/echo/..%5cx', status: 400 },
  { name: 'an encoded backslash before the dots', target: '/function/echo/a%5C..', status: 400 },
  { name: 'encoded dots as the name', target: '/function/%2e%2e/system/functions', status: 400 },
  { name: 'an encoded slash in the name', target: '/function/echo%2f..%2fsystem', status: 400 },
  { name: 'a backslash for a slash', target: '/function\\echo', status: 401 },
  { name: 'a backslash in the name', target: '/function/echo\\..\\x', status: 400 },
  { name: 'an encoded NUL in the name', target: '/function/echo%00', status: 400 },
  { name: 'an encoded NUL for the name', target: '/function/%00/x', status: 400 },
  { name: 'an encoded line end in the name', target: '/function/echo%0d%0aX:%20y', status: 400 },
  { name: 'an over-long encoding of a dot in the name', target: '/function/%c0%ae%c0%ae/system', status: 400 },
  { name: 'an over-long encoding of a slash in the name', target: '/function/echo%c0%af..', status: 400 },
  { name: 'half a character in the name', target: '/function/%c3', status: 400 },
  { name: 'a surrogate in the name', target: '/function/%ed%a0%80', status: 400 },
  { name: 'a percent sign that encodes nothing, in the name', target: '/function/%zz', status: 400 },
  { name: 'a name encoded though it need not be', target: '/function/%65cho', status: 400 },
  { name: 'a semicolon in the name', target: '/function/echo;x', status: 400 },
  { name: 'an at sign in the name', target: '/function/echo@other', status: 400 },
  { name: 'a colon in the name', target: '/function/echo:80', status: 400 },
  { name: 'a name of a property of every object', target: '/function/__proto__', status: 404 },
  { name: 'a name of a method of every object', target: '/function/constructor/x', status: 404 },
  { name: 'no name', target: '/function/', status: 404 },
  { name: 'no name but a namespace', target: '/function/.openfaas-fn', status: 404 },
  { name: 'a name with a dot last', target: '/function/echo.', status: 404 },
  { name: 'two slashes before the name', target: '/function//echo', status: 404 },
  { name: 'a very long name', target: `/function/${'a'.repeat(10_000)}`, status: 404 },
  { name: 'bytes beyond ASCII in the name', target: '/function/\xff', status: 400 },
  { name: 'a space in the name', target: '/function/ec ho', status: 400 },
], async ({ target, status }) => {
  await using raw = await startRawGateway()
  assert.equal((await ask(raw.port, target)).status, status)
  assert.deepEqual(raw.received, [])
  await assertStillWorks(raw)
})

cases('a path a function may have its own meaning for arrives as it was sent', [
  { name: 'nothing', target: '/function/echo', arrives: '/' },
  { name: 'only a query', target: '/function/echo?a=../..', arrives: '/?a=../..' },
  { name: 'a slash', target: '/function/echo/', arrives: '/' },
  { name: 'two slashes', target: '/function/echo//a//', arrives: '//a//' },
  { name: 'what looks like a host', target: '/function/echo//other/x', arrives: '//other/x' },
  { name: 'three dots', target: '/function/echo/.../x', arrives: '/.../x' },
  { name: 'a hidden file', target: '/function/echo/.well-known/x', arrives: '/.well-known/x' },
  { name: 'a name that ends in dots', target: '/function/echo/a../x', arrives: '/a../x' },
  { name: 'encoded characters', target: '/function/echo/%C3%A9%20%2B', arrives: '/%C3%A9%20%2B' },
  { name: 'an encoded slash', target: '/function/echo/a%2fb', arrives: '/a%2fb' },
  { name: 'an encoded percent sign', target: '/function/echo/%252e%252e/x', arrives: '/%252e%252e/x' },
  { name: 'bad UTF-8', target: '/function/echo/%ff%c0%80', arrives: '/%ff%c0%80' },
  { name: 'an encoded NUL', target: '/function/echo/a%00b', arrives: '/a%00b' },
  { name: 'an encoded line end', target: '/function/echo/a%0d%0aX:%20y', arrives: '/a%0d%0aX:%20y' },
  { name: 'dots in the query', target: '/function/echo/a?b=/../c', arrives: '/a?b=/../c' },
  { name: 'another address in the path', target: '/function/echo/http://other/', arrives: '/http://other/' },
  { name: 'the name with its namespace', target: '/function/echo.openfaas-fn/a', arrives: '/a' },
  { name: 'an absolute address', target: 'http://other:1/function/echo/a?b', arrives: '/a?b' },
  { name: 'a very long rest', target: `/function/echo/${'a'.repeat(10_000)}`, arrives: `/${'a'.repeat(10_000)}` },
], async ({ target, arrives }) => {
  await using raw = await startRawGateway()
  assert.equal((await ask(raw.port, target)).status, 200)
  assert.deepEqual(raw.received.map(({ path }) => path), [arrives])
})

cases('no spelling of a path opens what is closed', [
  { name: 'two slashes before it', target: '//system/functions' },
  { name: 'what looks like a host before it', target: '//other/system/functions' },
  { name: 'a dot in it', target: '/./system/functions' },
  { name: 'dots after an open path', target: '/healthz/../system/functions' },
  { name: 'encoded dots after an open path', target: '/healthz/%2e%2e/system/functions' },
  { name: 'an encoded slash after an open path', target: '/healthz%2f..%2fsystem/functions' },
  { name: 'a semicolon after an open path', target: '/healthz;/system/functions' },
  { name: 'an encoded NUL after an open path', target: '/healthz%00/system/functions' },
  { name: 'capitals', target: '/SYSTEM/functions' },
  { name: 'encoded letters', target: '/%73ystem/functions' },
  { name: 'a backslash', target: '\\system\\functions' },
  { name: 'a slash after it', target: '/system/functions/' },
  { name: 'an absolute address', target: 'http://other/system/functions' },
  { name: 'an absolute address with a name and password', target: 'http://admin:fixture-password@other/system/functions' },
  { name: 'an absolute address without a path', target: 'http://other?/system/functions' },
  { name: 'an absolute address of another scheme', target: 'https://other/system/functions' },
  { name: 'an absolute address of a scheme nobody knows', target: 'x://other/system/functions' },
  { name: 'a path that does not begin with a slash', target: 'system/functions' },
  { name: 'a query that looks like an open path', target: '/system/functions?/healthz' },
  { name: 'the word function in capitals', target: '/FUNCTION/echo' },
  { name: 'the word function without a slash', target: '/function' },
  { name: 'the word function and a query', target: '/function?/echo' },
  { name: 'a way back from the functions', target: '/function/../system/functions' },
], async ({ target }) => {
  await using raw = await startRawGateway()
  const { status, body } = await ask(raw.port, target)
  assert.ok([200, 400, 401, 404].includes(status), `status ${status}`)
  if (status === 200) assert.match(body, /^Bramble: functions answer at/, 'only what is open to all')
  assert.doesNotMatch(body, /openfaas-fn.*image|"name"/)
  assert.deepEqual(raw.received, [])
})

cases('a target that is no path is refused', [
  { name: 'an asterisk', bytes: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [401] },
  { name: 'an asterisk for a GET', bytes: 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [400, 401] },
  { name: 'a host and port', bytes: 'GET other:80 HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [400, 401] },
  { name: 'a tunnel', bytes: 'CONNECT other:80 HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [405] },
  { name: 'a tunnel to a function', bytes: 'CONNECT /function/echo HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [400, 405] },
  { name: 'a tunnel with a request in it', bytes: 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nGET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [405] },
  { name: 'nothing', bytes: 'GET  HTTP/1.1\r\nHost: a\r\n\r\n', statuses: [400] },
  { name: 'a trace', bytes: 'TRACE /function/echo HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n', statuses: [405] },
], async ({ bytes, statuses }) => {
  await using raw = await startRawGateway()
  await using wire = await openWire(raw.port)
  wire.write(bytes)
  const answers = await wire.whole(1)
  assert.equal(answers.length, 1)
  assert.ok(statuses.includes(answers[0]?.status ?? 0), `status ${answers[0]?.status}`)
  assert.doesNotMatch(answers[0]?.body ?? '', /secret/)
  assert.deepEqual(raw.received, [])
  await assertStillWorks(raw)
})

cases('with credentials a strange name is an error in words, never a 500', [
  { name: 'a way up', method: 'GET', target: '/system/function/%2e%2e%2fetc%2fpasswd', status: 400 },
  { name: 'a percent sign that encodes nothing', method: 'GET', target: '/system/function/%zz', status: 400 },
  { name: 'an over-long encoding', method: 'GET', target: '/system/function/%c0%ae%c0%ae', status: 400 },
  { name: 'a NUL', method: 'GET', target: '/system/function/a%00b', status: 400 },
  { name: 'a capital', method: 'GET', target: '/system/function/Echo', status: 400 },
  { name: 'a namespace that leads up', method: 'GET', target: '/system/namespace/%2e%2e%2f', status: 400 },
  { name: 'a namespace with a NUL', method: 'GET', target: '/system/namespace/%00', status: 400 },
  { name: 'removing a namespace that leads up', method: 'DELETE', target: '/system/namespace/..%2f..%2fetc', status: 400 },
  { name: 'a namespace in the query that leads up', method: 'GET', target: '/system/functions?namespace=../x', status: 400 },
  { name: 'two namespaces in the query', method: 'GET', target: '/system/functions?namespace=a&namespace=b', status: 400 },
  { name: 'a namespace in the query as a list', method: 'GET', target: '/system/functions?namespace[]=a', status: 200 },
  { name: 'a property of every object as namespace', method: 'GET', target: '/system/functions?namespace=__proto__', status: 400 },
  { name: 'bad UTF-8 in the query', method: 'GET', target: '/system/functions?namespace=%ff', status: 400 },
  { name: 'logs of a way up', method: 'GET', target: '/system/logs?name=../../x', status: 400 },
  { name: 'logs with a tail that is no number', method: 'GET', target: '/system/logs?name=echo&tail=all', status: 422 },
  { name: 'logs since some day', method: 'GET', target: '/system/logs?name=echo&since=yesterday', status: 422 },
  { name: 'logs of a function that is not there', method: 'GET', target: '/system/logs?name=ghost', status: 404 },
  { name: 'logs that may or may not be followed', method: 'GET', target: '/system/logs?name=echo&follow=maybe', status: 422 },
], async ({ method, target, status }) => {
  await using raw = await startRawGateway()
  const answer = await ask(raw.port, target, method, credentials)
  assert.equal(answer.status, status, answer.body)
  await assertStillWorks(raw)
})

test('the answer to a bad path repeats none of it', async () => {
  await using raw = await startRawGateway()
  const { body, headers } = await ask(raw.port, '/function/<script>alert(1)</script>')
  assert.doesNotMatch(body, /script/)
  assert.match(headers['content-type'] ?? '', /^text\/plain/)
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

async function ask(
  port: number, target: string, method = 'GET', headers = '',
): Promise<{ status: number; body: string; headers: Readonly<Record<string, string>> }> {
  await using wire = await openWire(port)
  wire.write(`${method} ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
  const [answer] = await wire.whole(1)
  return answer ?? assert.fail('no answer')
}

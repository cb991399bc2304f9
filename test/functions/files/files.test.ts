import * as assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { cases, eventually, test } from '../../kit.ts'
import { sha256, stageForFile } from './stage.ts'

const stage = stageForFile({ quota: '8Mi', max_file_size: '6Mi', max_versions: '3', max_files: '40' })
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')

test('a file is there as it was stored, under a path with folders', async () => {
  const on = await stage.on()
  const bytes = randomBytes(3_000_000)
  const put = await on.call('PUT', '/v1/files/photos/2026/a%20b.bin', { bytes, headers: { 'content-type': 'application/x-thing' } })
  assert.deepEqual([put.status, put.headers.get('etag'), put.body['path'], put.body['name'], put.body['owner'], put.body['size'], put.body['version'], put.body['content_type']],
    [201, `"${sha256(bytes)}"`, 'photos/2026/a b.bin', 'a b.bin', 'ada', bytes.length, 1, 'application/x-thing'])
  const got = await on.call('GET', '/v1/files/photos/2026/a%20b.bin')
  assert.equal(got.status, 200)
  assert.ok(got.bytes.equals(bytes))
  assert.deepEqual([got.headers.get('content-length'), got.headers.get('etag'), got.headers.get('x-content-type-options'), got.headers.get('content-disposition')],
    [String(bytes.length), `"${sha256(bytes)}"`, 'nosniff', 'attachment; filename="a b.bin"'])
  const head = await on.call('HEAD', '/v1/files/photos%2F2026%2Fa%20b.bin')
  assert.deepEqual([head.status, head.headers.get('content-length'), head.bytes.length], [200, String(bytes.length), 0])
})

test('a call that has stored a file is found in the logs by its id, which tell no path and no owner', async () => {
  const on = await stage.on()
  const put = await on.call('PUT', '/v1/files/followed.txt', { bytes: 'followed', headers: { 'x-call-id': 'follow-1' } })
  const lines = await eventually('its line', () => { const found = on.logs().filter(({ callId }) => callId === 'follow-1'); return found.length > 0 && found })
  assert.deepEqual(lines.map(({ time: _, ...rest }) => rest), [{ level: 'info', message: 'stored a file', callId: 'follow-1', id: put.body['id'], version: 1, bytes: 8 }])
})

test('the same bytes make no new version, others do, and the oldest versions go', async () => {
  const on = await stage.on()
  const put = async (text: string) => (await on.call('PUT', '/v1/files/notes.txt', { bytes: text })).body['version']
  assert.deepEqual([await put('one'), await put('one'), await put('two'), await put('three'), await put('four')], [1, 1, 2, 3, 4])
  const old = await on.call('GET', '/v1/files/notes.txt?version=2')
  assert.equal(old.bytes.toString(), 'two')
  assert.equal((await on.call('GET', '/v1/files/notes.txt?version=1')).status, 404)
})

test('a person sees no files of another one', async () => {
  const on = await stage.on()
  const eve = await on.tokenOf('eve')
  await on.call('PUT', '/v1/files/secret.txt', { bytes: 'mine' })
  assert.equal((await on.call('GET', '/v1/files/secret.txt', { token: eve })).status, 404)
  assert.equal((await on.call('GET', '/v1/files/secret.txt?owner=ada', { token: eve })).status, 403)
  assert.equal((await on.call('GET', '/v1/files/secret.txt', { token: '' })).status, 401)
  const service = await on.call('GET', '/v1/files/secret.txt?owner=ada', { token: on.serviceToken })
  assert.equal(service.bytes.toString(), 'mine')
  const nobody = await on.call('GET', '/v1/files/secret.txt', { token: on.serviceToken })
  assert.deepEqual([nobody.status, nobody.body['code']], [422, 'owner_missing'])
})

cases('a token that is not good opens nothing', [
  { name: 'over', claims: { lifeSeconds: -60 } },
  { name: 'of another issuer', claims: { issuer: 'http://elsewhere.test' } },
  { name: 'for somebody else', claims: { audience: 'another' } },
  { name: 'an ID token', claims: { type: 'JWT' } },
  { name: 'of a key that is not there', claims: { kid: 'k2' } },
  { name: 'signed with another key', claims: { key: 'own' } },
] as const, async ({ claims }) => {
  const on = await stage.on()
  const { generateKeyPair } = await import('jose')
  const made = 'key' in claims ? { key: (await generateKeyPair('EdDSA')).privateKey } : claims
  assert.equal((await on.call('GET', '/v1/info/secret.txt', { token: await on.tokenOf('ada', made) })).status, 401)
})

cases('a bad name is refused', [
  { name: 'the folder above', path: 'a/%2e%2e/b' },
  { name: 'the folder above, hidden behind a slash', path: 'a%2F..%2Fb' },
  { name: 'this folder', path: '%2e/b' },
  { name: 'NUL', path: 'a%00.txt' },
  { name: 'a line break', path: 'a%0d%0ab' },
  { name: '300 characters', path: 'x'.repeat(300) },
  { name: '200 characters of two bytes', path: encodeURIComponent('ö'.repeat(200)) },
  { name: 'no characters', path: 'a//b' },
  { name: 'a slash at the end', path: 'a/' },
  { name: 'letters turned round', path: encodeURIComponent('photo\u202egpj.exe') },
  { name: 'a character of no width', path: encodeURIComponent('pass\u200bword') },
  { name: 'a backslash', path: '..%5C..%5Cetc' },
  { name: 'a space at the end', path: 'a%20' },
  { name: 'too many folders', path: 'a/'.repeat(40) + 'b' },
], async ({ path }) => {
  const on = await stage.on()
  // `fetch` would resolve dots itself.
  const sent = request(on.url(), { path: `/v1/files/${path}`, method: 'PUT', headers: { authorization: `Bearer ${await on.tokenOf('ada')}` } }).end('x')
  const [response]: IncomingMessage[] = await once(sent, 'response')
  const text = (await response?.toArray() ?? []).join('')
  assert.equal(response?.statusCode, 422)
  assert.match(text, /"code":"bad_name"/)
})

test('half of a character in a path is refused, and names that look the same are the same', async () => {
  const on = await stage.on()
  assert.equal((await on.call('PUT', '/v1/files/a%ff', { bytes: 'x' })).status, 400)
  const composed = await on.call('PUT', `/v1/files/${encodeURIComponent('caf\u00e9 👩‍👧.txt')}`, { bytes: 'x' })
  const decomposed = await on.call('GET', `/v1/files/${encodeURIComponent('cafe\u0301 👩‍👧.txt')}`)
  assert.deepEqual([composed.status, decomposed.status, composed.body['name']], [201, 200, 'caf\u00e9 👩‍👧.txt'])
  assert.equal(decomposed.headers.get('content-disposition'), `inline; filename="caf- ---.txt"; filename*=UTF-8''caf%C3%A9%20%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7.txt`)
})

test('conditions are kept: what was not there, what was read, what is known', async () => {
  const on = await stage.on()
  const first = await on.call('PUT', '/v1/files/once.txt', { bytes: 'one', headers: { 'if-none-match': '*' } })
  const second = await on.call('PUT', '/v1/files/once.txt', { bytes: 'two', headers: { 'if-none-match': '*' } })
  assert.deepEqual([first.status, second.status], [201, 412])
  const etag = first.headers.get('etag') ?? ''
  assert.equal((await on.call('GET', '/v1/files/once.txt', { headers: { 'if-none-match': etag } })).status, 304)
  assert.equal((await on.call('PUT', '/v1/files/once.txt', { bytes: 'three', headers: { 'if-match': etag } })).status, 200)
  assert.equal((await on.call('PUT', '/v1/files/once.txt', { bytes: 'four', headers: { 'if-match': etag } })).status, 412)
  assert.equal((await on.call('PUT', '/v1/files/nowhere.txt', { bytes: 'x', headers: { 'if-match': '*' } })).status, 412)
  const now = (await on.call('GET', '/v1/files/once.txt')).headers.get('etag') ?? ''
  // A weak tag never matches (RFC 9110, section 13.1.1).
  for (const [ifMatch, status] of [[`"x", ${now}`, 200], ['*', 200], [`W/${now}`, 412], [etag, 412]] as const) {
    assert.equal((await on.call('GET', '/v1/files/once.txt', { headers: { 'if-match': ifMatch } })).status, status, ifMatch)
  }
  const modified = (await on.call('GET', '/v1/files/once.txt')).headers.get('last-modified') ?? ''
  assert.equal((await on.call('GET', '/v1/files/once.txt', { headers: { 'if-modified-since': modified } })).status, 304)
})

test('bytes that are not those that were told are not stored', async () => {
  const on = await stage.on()
  const digest = (text: string) => ({ 'content-digest': `sha-256=:${Buffer.from(sha256(text), 'hex').toString('base64')}:` })
  const wrong = await on.call('PUT', '/v1/files/told.txt', { bytes: 'one', headers: digest('two') })
  assert.deepEqual([wrong.status, wrong.body['code']], [422, 'digest_mismatch'])
  assert.equal((await on.call('GET', '/v1/files/told.txt')).status, 404)
  assert.equal((await on.call('PUT', '/v1/files/told.txt', { bytes: 'one', headers: digest('one') })).status, 201)
})

test('two uploads to one name at once are two versions, and both are whole', async () => {
  const on = await stage.on()
  const contents = Array.from({ length: 3 }, () => randomBytes(200_000))
  const replies = await Promise.all(contents.map((bytes) => on.call('PUT', '/v1/files/same.bin', { bytes })))
  assert.deepEqual(replies.map(({ body }) => body['version']).toSorted(), [1, 2, 3])
  for (const [i, bytes] of contents.entries()) {
    const got = await on.call('GET', `/v1/files/same.bin?version=${String(replies[i]?.body['version'])}`)
    assert.ok(got.bytes.equals(bytes))
  }
})

test('what is larger than a file or the quota may be is refused, known before or not, and leaves nothing', async () => {
  const on = await stage.on()
  const bob = await on.tokenOf('bob')
  const large = await on.call('PUT', '/v1/files/large.bin', { token: bob, bytes: new Uint8Array(7 * 2 ** 20) })
  assert.deepEqual([large.status, large.body['code']], [413, 'too_large'])
  assert.equal((await on.call('PUT', '/v1/files/a.bin', { token: bob, bytes: new Uint8Array(5 * 2 ** 20) })).status, 201)
  const second = await on.call('PUT', '/v1/files/b.bin', { token: bob, bytes: new Uint8Array(5 * 2 ** 20).fill(1) })
  assert.deepEqual([second.status, second.body['code']], [507, 'quota_exceeded'])
  const streamed = await fetch(`${on.url()}/v1/files/b.bin`, {
    method: 'PUT', headers: { authorization: `Bearer ${bob}` }, duplex: 'half',
    body: new ReadableStream({ start(controller) { for (let i = 0; i < 5; i++) controller.enqueue(new Uint8Array(2 ** 20).fill(2)); controller.close() } }),
  })
  assert.equal(streamed.status, 507)
  assert.equal((await on.call('GET', '/v1/files/b.bin', { token: bob })).status, 404)
})

test('nobody has more files, or more words about one, than the database of all can bear', async () => {
  const on = await stage.on()
  const eve = await on.tokenOf('eve')
  const put = (name: string) => on.call('PUT', `/v1/files/${name}`, { token: eve, bytes: '' })
  const statuses = await Promise.all(Array.from({ length: 45 }, async (_, i) => (await put(`many/${i}`)).status))
  assert.deepEqual(statuses.toSorted(), [...Array<number>(40).fill(201), ...Array<number>(5).fill(507)])
  const last = await put('one-more')
  assert.deepEqual([last.status, last.body['code']], [507, 'too_many_files'])
  const [mine] = await on.rows("SELECT path FROM files WHERE owner = 'eve' LIMIT 1")
  const path = String(mine?.[0])
  assert.equal((await on.call('PUT', `/v1/files/${path}`, { token: eve, bytes: 'changed' })).status, 200)
  const described = (metadata: Record<string, string>, tags: string[]) => on.call('PATCH', `/v1/info/${path}`, { token: eve, json: { metadata, tags } })
  assert.equal((await described({ a: 'x'.repeat(1000), b: 'x'.repeat(1000) }, [])).status, 200)
  for (const reply of [await described({ c: 'x'.repeat(100) }, []), await described({}, Array.from({ length: 9 }, (_, i) => `${i}${'x'.repeat(120)}`))]) {
    assert.deepEqual([reply.status, reply.body['code']], [422, 'too_much_metadata'])
  }
})

cases('the type is what the bytes say', [
  { name: 'an image that calls itself a page', bytes: PNG, declared: 'text/html', is: 'image/png' },
  { name: 'a page that calls itself an image', bytes: '<script>', declared: 'image/png', is: 'text/plain; charset=utf-8' },
  { name: 'a page', bytes: '<h1>ü</h1>', declared: 'text/html; charset=latin1', is: 'text/html; charset=utf-8' },
  { name: 'bytes that call themselves an image', bytes: Buffer.from([1, 2, 3]), declared: 'image/jpeg', is: 'application/octet-stream' },
  { name: 'bytes of a type nobody knows', bytes: Buffer.from([1, 2, 3]), declared: 'application/x-own', is: 'application/x-own' },
  { name: 'a drawing in UTF-16 that calls itself a film', bytes: Buffer.from('\ufeff<svg/>', 'utf16le'), declared: 'video/svg+xml', is: 'video/svg+xml' },
  { name: 'a document in a zip', bytes: Buffer.from('504b0304140000', 'hex'), declared: 'application/vnd.oasis.opendocument.text', is: 'application/vnd.oasis.opendocument.text' },
  { name: 'no type at all', bytes: Buffer.from([0]), declared: 'x\u0001', is: 'application/octet-stream' },
] as const, async ({ bytes, declared, is }) => {
  const on = await stage.on()
  const safe = /[^ -~]/.test(declared) ? 'x' : declared
  const reply = await on.call('PUT', '/v1/files/typed', { bytes, headers: { 'content-type': safe } })
  assert.equal(reply.body['content_type'], is)
  const shown = await on.call('GET', '/v1/files/typed')
  assert.equal(shown.headers.get('content-type'), is)
  if (/html|octet|own|zip|open|xml/.test(is)) assert.match(shown.headers.get('content-disposition') ?? '', /^attachment;/)
  assert.equal(shown.headers.get('content-security-policy'), "default-src 'none'; sandbox")
})

stage.end()

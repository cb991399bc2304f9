import * as assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cases, eventually, test } from '../../kit.ts'
import { type CallOptions, sha256, stageForFile } from './stage.ts'

const stage = stageForFile({ quota: '8Mi', max_file_size: '6Mi' })
const BYTES = { 'content-type': 'application/offset+octet-stream' }

const tus = (headers: Readonly<Record<string, string>> = {}) => ({ 'tus-resumable': '1.0.0', ...headers })
const metadata = (pairs: Readonly<Record<string, string>>): string => Object.entries(pairs).map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`).join()
const named = (path: string) => ({ 'upload-metadata': metadata({ path }) })

async function send(method: string, path: string, headers: Readonly<Record<string, string>>, more: CallOptions = {}) {
  return (await stage.on()).call(method, path, { ...more, headers: tus(headers) })
}
async function create(headers: Readonly<Record<string, string>>, more: CallOptions = {}): Promise<string> {
  const made = await send('POST', '/v1/uploads', headers, more)
  assert.equal(made.status, 201, made.bytes.toString())
  return `/v1/${made.headers.get('location')}`
}
const append = (at: string, offset: number, bytes: Uint8Array | string, headers: Readonly<Record<string, string>> = {}, more: CallOptions = {}) =>
  send('PATCH', at, { ...BYTES, 'upload-offset': String(offset), ...headers }, { ...more, bytes })
const content = async (path: string, token?: string) => (await (await stage.on()).call('GET', `/v1/files/${path}`, token === undefined ? {} : { token })).bytes.toString()

test('what there is of tus is said without a token', async () => {
  const on = await stage.on()
  for (const path of ['/v1/uploads', '/v1/uploads/x']) {
    const reply = await on.call('OPTIONS', path, { token: '' })
    assert.deepEqual([reply.status, reply.headers.get('tus-version'), reply.headers.get('tus-max-size'), reply.headers.get('tus-extension')],
      [204, '1.0.0', String(6 * 2 ** 20), 'creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation'])
  }
})

test('an upload is announced, sent in pieces, and is a file after the last one', async () => {
  const on = await stage.on()
  const header = metadata({ filename: 'ä.txt', folder: 'up', filetype: 'text/csv', tags: 'one, two', camera: 'old' })
  const at = await create({ 'upload-length': '10', 'upload-metadata': header })
  assert.equal((await append(at, 0, '0123')).headers.get('upload-offset'), '4')
  const head = await send('HEAD', at, {})
  assert.deepEqual([head.status, head.headers.get('upload-offset'), head.headers.get('upload-length'), head.headers.get('upload-metadata'), head.headers.get('cache-control')],
    [200, '4', '10', header, 'no-store'])
  assert.ok(Date.parse(head.headers.get('upload-expires') ?? '') > Date.now())
  assert.equal((await on.call('GET', '/v1/files/up/%C3%A4.txt')).status, 404)
  const last = await append(at, 4, '456789')
  assert.deepEqual([last.status, last.headers.get('upload-offset'), last.headers.get('tus-resumable')], [204, '10', '1.0.0'])
  const info = await on.call('GET', '/v1/info/up/%C3%A4.txt')
  assert.deepEqual([info.body['content_type'], info.body['tags'], info.body['metadata'], info.body['size']], ['text/csv; charset=utf-8', ['one', 'two'], { camera: 'old' }, 10])
  assert.equal(await content('up/%C3%A4.txt'), '0123456789')
  assert.deepEqual([(await on.call('GET', at)).body['is_finished'], (await on.call('GET', at)).body['file_id']], [true, info.body['id']])
})

test('the first bytes may come with the announcement, and nothing is an upload too', async () => {
  const at = await create({ ...BYTES, ...named('with.txt'), 'upload-length': '6' }, { bytes: 'abc' })
  assert.equal((await send('HEAD', at, {})).headers.get('upload-offset'), '3')
  await append(at, 3, 'def')
  assert.equal(await content('with.txt'), 'abcdef')
  await create({ ...BYTES, ...named('whole.txt'), 'upload-length': '3' }, { bytes: 'all' })
  assert.equal(await content('whole.txt'), 'all')
  await create({ ...named('empty.txt'), 'upload-length': '0' })
  assert.equal(await content('empty.txt'), '')
})

test('the length may come later', async () => {
  const at = await create({ ...named('later.txt'), 'upload-defer-length': '1' })
  await append(at, 0, 'abc')
  assert.equal((await send('HEAD', at, {})).headers.get('upload-defer-length'), '1')
  assert.equal((await append(at, 3, 'de', { 'upload-length': '5' })).status, 204)
  assert.equal(await content('later.txt'), 'abcde')
})

cases('a checksum is compared:', [
  { name: 'sha1', algorithm: 'sha1' }, { name: 'sha256', algorithm: 'sha256' }, { name: 'sha512', algorithm: 'sha512' }, { name: 'md5', algorithm: 'md5' },
], async ({ algorithm }) => {
  const of = (text: string) => ({ 'upload-checksum': `${algorithm} ${createHash(algorithm).update(text).digest('base64')}` })
  const at = await create({ ...named(`${algorithm}.txt`), 'upload-length': '6' })
  assert.equal((await append(at, 0, 'abc', of('abc'))).status, 204)
  const wrong = await append(at, 3, 'xxx', of('def'))
  assert.deepEqual([wrong.status, wrong.body['code']], [460, 'checksum_mismatch'])
  assert.equal((await send('HEAD', at, {})).headers.get('upload-offset'), '3')
  assert.equal((await append(at, 3, 'def', of('def'))).status, 204)
  const on = await stage.on()
  assert.equal((await on.call('GET', `/v1/info/${algorithm}.txt`)).body['hash'], sha256('abcdef'))
})

test('parts that were sent side by side are joined, once, however often it is asked', async () => {
  const on = await stage.on()
  const partial = (length: number) => create({ 'upload-concat': 'partial', 'upload-length': String(length) })
  const [one, two] = [await partial(3), await partial(4)]
  await Promise.all([append(one, 0, 'abc'), append(two, 0, 'defg')])
  const final = { 'upload-concat': `final;${on.url()}${one} ${two}`, ...named('joined.txt') }
  const early = await partial(5)
  assert.equal((await send('POST', '/v1/uploads', { ...named('no.txt'), 'upload-concat': `final;${early}` })).status, 422)
  const at = await create(final)
  assert.equal(await content('joined.txt'), 'abcdefg')
  assert.equal(await create(final), at)
  // The parts went into that file: there is no other one of them.
  assert.equal((await send('POST', '/v1/uploads', { ...final, ...named('another.txt') })).status, 422)
  assert.equal((await on.call('GET', '/v1/versions/joined.txt')).body['items'] instanceof Array, true)
  assert.equal((await on.call('GET', '/v1/info/joined.txt')).body['version'], 1)
  assert.equal((await append(at, 7, 'x')).status, 403)
  assert.equal((await send('HEAD', one, {})).status, 404)
})

test('an upload that is given up is gone, with its bytes', async () => {
  const at = await create({ ...named('never.txt'), 'upload-length': '6' })
  await append(at, 0, 'abc')
  assert.equal((await send('DELETE', at, {})).status, 204)
  for (const method of ['HEAD', 'DELETE']) assert.equal((await send(method, at, {})).status, 404)
  assert.equal((await append(at, 3, 'def')).status, 404)
})

cases('is refused:', [
  { name: 'no version of tus', headers: { 'tus-resumable': '' }, status: 412, code: 'wrong_version' },
  { name: 'another version of tus', headers: { 'tus-resumable': '0.2.2' }, status: 412, code: 'wrong_version' },
  { name: 'no length', headers: named('a'), status: 422, code: 'bad_length' },
  { name: 'two lengths', headers: { ...named('a'), 'upload-length': '1', 'upload-defer-length': '1' }, status: 422, code: 'bad_length' },
  { name: 'a length below 0', headers: { ...named('a'), 'upload-length': '-1' }, status: 400, code: 'invalid_input' },
  { name: 'no name', headers: { 'upload-length': '1' }, status: 422, code: 'no_name' },
  { name: 'a bad name', headers: { ...named('../a'), 'upload-length': '1' }, status: 422, code: 'bad_name' },
  { name: 'metadata that is none', headers: { 'upload-metadata': 'path !', 'upload-length': '1' }, status: 422, code: 'bad_header' },
  { name: 'metadata twice', headers: { 'upload-metadata': 'path YQ==,path YQ==', 'upload-length': '1' }, status: 422, code: 'bad_header' },
  { name: 'larger than a file may be', headers: { ...named('a'), 'upload-length': String(7 * 2 ** 20) }, status: 413, code: 'too_large' },
  { name: 'parts that are not there', headers: { ...named('a'), 'upload-concat': 'final;uploads/nothing' }, status: 422, code: 'part_missing' },
  { name: 'no parts', headers: { ...named('a'), 'upload-concat': 'final;' }, status: 422, code: 'bad_header' },
  { name: 'a hash nobody knows', headers: { ...named('a'), ...BYTES, 'upload-length': '1', 'upload-checksum': 'crc9 aaaa' }, bytes: 'x', status: 400, code: 'bad_checksum' },
] as const, async ({ headers, status, code, ...more }) => {
  const reply = await send('POST', '/v1/uploads', headers, 'bytes' in more ? { bytes: more.bytes } : {})
  assert.deepEqual([reply.status, reply.body['code']], [status, code])
  assert.equal(reply.headers.get('tus-resumable'), '1.0.0')
})

test('bytes for another place, too many of them, or of another type are refused and change nothing', async () => {
  const at = await create({ ...named('strict.txt'), 'upload-length': '6' })
  await append(at, 0, 'abc')
  const elsewhere = await append(at, 0, 'abc')
  assert.deepEqual([elsewhere.status, elsewhere.headers.get('upload-offset')], [409, '3'])
  assert.equal((await append(at, 3, 'defg')).status, 413)
  assert.equal((await send('PATCH', at, { 'upload-offset': '3', 'content-type': 'text/plain' }, { bytes: 'def' })).status, 415)
  assert.equal((await send('PATCH', at, BYTES, { bytes: 'def' })).status, 400)
  assert.equal((await append(at, 3, 'def', {}, { token: await (await stage.on()).tokenOf('eve') })).status, 404)
  assert.equal((await send('HEAD', at, {})).headers.get('upload-offset'), '3')
  const posted = await send('POST', at, { ...BYTES, 'upload-offset': '3', 'x-http-method-override': 'PATCH' }, { bytes: 'def' })
  assert.equal(posted.status, 204)
  assert.equal(await content('strict.txt'), 'abcdef')
})

test('what is announced counts against the quota until it is given up', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('eager')
  const announce = (path: string) => send('POST', '/v1/uploads', { ...named(path), 'upload-length': String(5 * 2 ** 20) }, { token })
  const first = await announce('a')
  assert.deepEqual([first.status, (await announce('b')).status], [201, 507])
  assert.equal((await on.call('GET', '/v1/usage', { token })).body['reserved_bytes'], 5 * 2 ** 20)
  assert.equal((await on.call('PUT', '/v1/files/c', { token, bytes: new Uint8Array(4 * 2 ** 20) })).status, 507)
  await send('DELETE', `/v1/${first.headers.get('location')}`, {}, { token })
  assert.equal((await announce('b')).status, 201)
  const last = await append(`/v1/${(await send('POST', '/v1/uploads', { ...named('d'), 'upload-length': '3' }, { token })).headers.get('location')}`, 0, 'abc', {}, { token })
  assert.equal(last.status, 204)
})

test('an announcement that is sent again with its key is one upload', async () => {
  const headers = { ...named('key.txt'), 'upload-length': '3', 'idempotency-key': 'k-1' }
  const at = await create(headers)
  assert.equal(await create(headers), at)
  assert.equal((await send('POST', '/v1/uploads', { ...headers, ...named('other.txt') })).status, 422)
  await append(at, 0, 'abc')
  assert.equal(await create({ ...headers, ...BYTES }, { bytes: 'abc' }), at)
  assert.equal(await content('key.txt'), 'abc')
})

test('a service uploads for somebody, and is told where', async () => {
  const on = await stage.on()
  const made = await on.call('POST', '/v1/uploads?owner=grace', { token: on.serviceToken, headers: tus({ ...named('for.txt'), 'upload-length': '3' }) })
  assert.match(made.headers.get('location') ?? '', /^uploads\/[\w-]+\?owner=grace$/)
  await append(`/v1/${made.headers.get('location')}`, 0, 'abc', {}, { token: on.serviceToken })
  assert.equal(await content('for.txt', await on.tokenOf('grace')), 'abc')
})

test('who asks for an offset that cannot be told just now is asked to come again, and begins nothing anew', async () => {
  const on = await stage.on()
  const at = await create({ ...named('patient.txt'), 'upload-length': '6' })
  await append(at, 0, 'abc')
  await on.kill()
  await on.start({ auth_url: 'http://127.0.0.1:9' })
  const head = await send('HEAD', at, {})
  assert.deepEqual([head.status, head.headers.get('retry-after'), head.headers.get('tus-resumable')], [423, '1', '1.0.0'])
  await on.kill()
  await on.start()
  assert.equal((await send('HEAD', at, {})).headers.get('upload-offset'), '3')
})

cases('nobody breaks off an upload of somebody else, with', [
  { name: 'DELETE', method: 'DELETE', headers: {} }, { name: 'HEAD', method: 'HEAD', headers: {} }, { name: 'PATCH', method: 'PATCH', headers: { ...BYTES, 'upload-offset': '0' } },
], async ({ method, headers }) => {
  const on = await stage.on()
  const at = await create({ ...named(`kept-from-${method}.txt`), 'upload-length': '6' })
  const { promise: isThere, resolve: goOn } = Promise.withResolvers<void>()
  const bytes = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(Buffer.from('abc'))
      await isThere
      controller.enqueue(Buffer.from('def'))
      controller.close()
    },
  })
  const init = { method: 'PATCH', headers: tus({ ...BYTES, 'upload-offset': '0', authorization: `Bearer ${await on.tokenOf('ada')}` }), body: bytes, duplex: 'half' as const }
  const sending = fetch(on.url() + at, init).then(({ status }) => status, () => 'broken off')
  const id = at.slice(at.lastIndexOf('/') + 1)
  await eventually('its bytes are being taken', () => existsSync(join(on.folder, 'volume/files/parts', id)))
  assert.equal((await send(method, at, headers, { token: await on.tokenOf('eve'), ...(method === 'PATCH' && { bytes: '' }) })).status, 404)
  goOn()
  assert.equal(await sending, 204)
})

stage.end()

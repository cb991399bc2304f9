import * as assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { cases, eventually, test } from '../../kit.ts'
import { listIn, recordIn, sha256, stageForFile } from './stage.ts'

const stage = stageForFile({ thumbnail_function: 'thumbnail', link_time: '1h' })
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.from('first')])
const paths = (items: unknown): unknown[] => listIn(items).map((item) => recordIn(item)['path'])

test('a folder is listed by pages, with the folders in it, with all below it, and by tag', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('lister')
  for (const path of ['a/1.txt', 'a/2.txt', 'a/b/3.txt', 'a/b/c/4.txt', 'a0.txt', 'ä/😀/5.txt']) {
    await on.call('PUT', `/v1/files/${encodeURIComponent(path)}?tag=n${path.at(-5)}&tag=all`, { token, bytes: path })
  }
  const list = async (query: string) => (await on.call('GET', `/v1/list?${query}`, { token })).body
  const above = await list('')
  assert.deepEqual([paths(above['items']), above['folders']], [['a0.txt'], ['a', 'ä']])
  const inA = await list('folder=a')
  assert.deepEqual([paths(inA['items']), inA['folders']], [['a/1.txt', 'a/2.txt'], ['b']])
  assert.deepEqual((await list(`folder=${encodeURIComponent('ä')}`))['folders'], ['😀'])
  assert.deepEqual(paths((await list('folder=a&recursive=true'))['items']), ['a/1.txt', 'a/2.txt', 'a/b/3.txt', 'a/b/c/4.txt'])
  assert.deepEqual(paths((await list('recursive=true&tag=n3'))['items']), ['a/b/3.txt'])
  const first = await list('recursive=true&limit=4')
  const second = await list(`recursive=true&limit=4&cursor=${String(first['next_cursor'])}`)
  assert.deepEqual([paths(first['items']).length, paths(second['items']), second['next_cursor']], [4, ['a0.txt', 'ä/😀/5.txt'], undefined])
  assert.equal((await on.call('GET', '/v1/list?cursor=nonsense', { token })).status, 422)
})

test('metadata and tags are changed and a file is moved, never over another one, and only when it is the one that was read', async () => {
  const on = await stage.on()
  await on.call('PUT', '/v1/files/m/one.txt', { bytes: 'one' })
  await on.call('PUT', '/v1/files/m/two.txt', { bytes: 'two' })
  const read = await on.call('GET', '/v1/info/m/one.txt')
  const changed = await on.call('PATCH', '/v1/info/m/one.txt', { json: { metadata: { camera: 'old', lens: 'none' }, tags: ['red'] } })
  assert.deepEqual([changed.status, changed.body['metadata'], changed.body['tags']], [200, { camera: 'old', lens: 'none' }, ['red']])
  assert.equal((await on.call('PATCH', '/v1/info/m/one.txt', { json: { tags: [] }, headers: { 'if-match': read.headers.get('etag') ?? '' } })).status, 412)
  const less = await on.call('PATCH', '/v1/info/m/one.txt', { json: { metadata: { lens: null } } })
  assert.deepEqual(less.body['metadata'], { camera: 'old' })
  const taken = await on.call('PATCH', '/v1/info/m/one.txt', { json: { path: 'm/two.txt' } })
  assert.deepEqual([taken.status, taken.body['code']], [409, 'exists'])
  assert.equal((await on.call('PATCH', '/v1/info/m/one.txt', { json: { path: 'm/../two.txt' } })).status, 422)
  const moved = await on.call('PATCH', '/v1/info/m/one.txt', { json: { path: 'n/three.txt' } })
  assert.equal(moved.body['path'], 'n/three.txt')
  assert.equal((await on.call('GET', '/v1/files/n/three.txt')).bytes.toString(), 'one')
  assert.equal((await on.call('GET', '/v1/files/m/one.txt')).status, 404)
})

test('what is removed is in the trash, counts, comes back, and goes for good', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('tidy')
  const usage = async () => (await on.call('GET', '/v1/usage', { token })).body
  for (const text of ['one', 'three']) await on.call('PUT', '/v1/files/x.txt', { token, bytes: text })
  assert.deepEqual([(await usage())['used_bytes'], (await usage())['files']], [8, 1])
  assert.equal((await on.call('DELETE', '/v1/files/x.txt', { token, headers: { 'if-match': '"other"' } })).status, 412)
  assert.equal((await on.call('DELETE', '/v1/files/x.txt', { token })).status, 204)
  assert.equal((await on.call('DELETE', '/v1/files/x.txt', { token })).status, 404)
  await on.call('PUT', '/v1/files/x.txt', { token, bytes: 'new' })
  const trash = listIn((await on.call('GET', '/v1/trash', { token })).body['items'])
  const id = String(recordIn(trash[0])['id'])
  assert.deepEqual([trash.length, (await usage())['used_bytes'], (await usage())['trashed']], [1, 11, 1])
  assert.equal((await on.call('POST', `/v1/trash/${id}/restore`, { token, json: {} })).status, 409)
  const back = await on.call('POST', `/v1/trash/${id}/restore`, { token, json: { path: 'y.txt' } })
  assert.deepEqual([back.status, back.body['path'], back.body['version']], [200, 'y.txt', 2])
  await on.call('DELETE', '/v1/files/y.txt', { token })
  assert.equal((await on.call('DELETE', `/v1/trash/${id}`)).status, 404)
  assert.equal((await on.call('DELETE', `/v1/trash/${id}`, { token })).status, 204)
  await on.call('DELETE', '/v1/files/x.txt', { token })
  assert.equal((await on.call('DELETE', '/v1/trash', { token })).status, 204)
  assert.deepEqual([(await usage())['used_bytes'], (await usage())['trashed']], [0, 0])
})

test('of the trash one folder goes for good, with what was below it, and what was elsewhere stays', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('sorts')
  const paths = ['photos/a.jpg', 'photos/deep/b.jpg', 'photos', 'photos0/c.jpg', 'notes/photos/d.txt']
  for (const path of paths) {
    assert.equal((await on.call('PUT', `/v1/files/${path}`, { token, bytes: 'four' })).status, 201)
    assert.equal((await on.call('DELETE', `/v1/files/${path}`, { token })).status, 204)
  }
  await on.call('PUT', '/v1/files/photos/kept.jpg', { token, bytes: 'four' })
  const trashed = async () => listIn((await on.call('GET', '/v1/trash', { token })).body['items']).map((one) => recordIn(one)['path']).sort()
  assert.equal((await on.call('DELETE', '/v1/trash?folder=../photos', { token })).status, 422)
  assert.equal((await on.call('DELETE', '/v1/trash?folder=photos')).status, 204)
  assert.equal((await trashed()).length, paths.length)
  assert.equal((await on.call('DELETE', '/v1/trash?folder=photos', { token })).status, 204)
  assert.deepEqual(await trashed(), ['notes/photos/d.txt', 'photos', 'photos0/c.jpg'])
  assert.equal((await on.call('GET', '/v1/files/photos/kept.jpg', { token })).status, 200)
  assert.equal((await on.call('GET', '/v1/usage', { token })).body['used_bytes'], 4 * 4)
})

test('an old version is made the newest', async () => {
  const on = await stage.on()
  for (const text of ['one', 'two']) await on.call('PUT', '/v1/files/v.txt', { bytes: text })
  const back = await on.call('POST', '/v1/versions/v.txt', { json: { version: 1 } })
  assert.deepEqual([back.status, back.body['version']], [200, 3])
  assert.equal((await on.call('GET', '/v1/files/v.txt')).bytes.toString(), 'one')
  const versions = listIn((await on.call('GET', '/v1/versions/v.txt')).body['items']).map(recordIn)
  assert.deepEqual(versions.map(({ version, current }) => [version, current]), [[3, true], [2, false], [1, false]])
})

test('a service sets what somebody may have', async () => {
  const on = await stage.on()
  const token = await on.tokenOf('small')
  assert.equal((await on.call('PUT', '/v1/quotas/small', { token, json: { bytes: 5 } })).status, 403)
  assert.equal((await on.call('PUT', '/v1/quotas/small', { token: on.serviceToken, json: { bytes: 5 } })).body['quota_bytes'], 5)
  assert.equal((await on.call('PUT', '/v1/files/a', { token, bytes: '123' })).status, 201)
  assert.equal((await on.call('PUT', '/v1/files/b', { token, bytes: '456' })).status, 507)
  await on.call('PUT', '/v1/quotas/small', { token: on.serviceToken, json: { bytes: null } })
  assert.equal((await on.call('PUT', '/v1/files/b', { token, bytes: '456' })).status, 201)
})

test('a signed link opens one file for whoever has it, until its time is over or the file is gone', async () => {
  const on = await stage.on()
  await on.call('PUT', '/v1/files/shared.txt', { bytes: 'shared' })
  const made = await on.call('POST', '/v1/links', { json: { path: 'shared.txt', expires_in_seconds: 600, download: true } })
  assert.equal(made.status, 201)
  const open = async (url: unknown) => on.call('GET', `/${String(url)}`, { token: '' })
  const opened = await open(made.body['url'])
  assert.deepEqual([opened.status, opened.bytes.toString(), opened.headers.get('content-disposition')], [200, 'shared', 'attachment; filename="shared.txt"'])
  await on.call('PATCH', '/v1/info/shared.txt', { json: { path: 'moved.txt' } })
  assert.equal((await open(made.body['url'])).status, 200)
  const url = String(made.body['url'])
  const [payload = '', mac = ''] = url.slice('v1/shared/'.length).split('.')
  const longer = Buffer.from(Buffer.from(payload, 'base64url').toString().replace(/"x":\d+/, '"x":9999999999')).toString('base64url')
  for (const forged of [`${longer}.${mac}`, `${payload}.${mac.slice(0, -2)}AA`, payload, `${payload}.`, `${payload}.${mac}.${mac}x`]) {
    assert.equal((await open(`v1/shared/${forged}`)).status, 404, forged)
  }
  const brief = await on.call('POST', '/v1/links', { json: { path: 'moved.txt', expires_in_seconds: 1 } })
  await eventually('the link is over', async () => (await open(brief.body['url'])).status === 404)
  const long = await on.call('POST', '/v1/links', { json: { path: 'moved.txt', expires_in_seconds: 3601 } })
  assert.deepEqual([long.status, long.body['code']], [422, 'too_long'])
  await on.call('DELETE', '/v1/files/moved.txt')
  assert.equal((await open(made.body['url'])).status, 404)
})

test('the files of a form are stored under their names, as they come', async () => {
  const on = await stage.on()
  const form = new FormData()
  form.append('note', 'not a file')
  form.append('one', new File(['first'], 'one.txt', { type: 'text/plain' }))
  form.append('two', new File([new Uint8Array(500_000).fill(7)], '..\\..\\etc/zw\u00f6lf.bin'))
  form.append('empty', new File([], ''))
  const post = (body: FormData | string, type?: string) => fetch(`${on.url()}/v1/files?owner=former&folder=in/box`, {
    method: 'POST', body, headers: { authorization: `Bearer ${on.serviceToken}`, ...(type !== undefined && { 'content-type': type }) },
  })
  const reply = await post(form)
  const { items } = recordIn(await reply.json())
  assert.deepEqual([reply.status, paths(items)], [201, ['in/box/one.txt', 'in/box/zw\u00f6lf.bin']])
  const got = await on.call('GET', `/v1/files/in/box/${encodeURIComponent('zw\u00f6lf.bin')}?owner=former`, { token: on.serviceToken })
  assert.ok(got.bytes.equals(new Uint8Array(500_000).fill(7)))

  const cut = await post('--b\r\ncontent-disposition: form-data; name="f"; filename="cut.txt"\r\n\r\nhalf of it', 'multipart/form-data; boundary=b')
  assert.equal(cut.status, 400)
  assert.equal((await on.call('GET', '/v1/files/in/box/cut.txt?owner=former', { token: on.serviceToken })).status, 404)
  const bad = new FormData()
  bad.append('f', new File(['x'], 'a\u202eb.txt'))
  assert.equal((await post(bad)).status, 422)
  assert.equal((await post('x=1', 'application/x-www-form-urlencoded')).status, 415)
  assert.equal((await post('x', 'multipart/form-data')).status, 415)
  const none = new FormData()
  none.append('note', 'not a file')
  assert.equal((await post(none)).status, 422)
})

test('the thumbnail function is told of an image until the gateway has accepted it, and what it makes is read', async () => {
  const on = await stage.on()
  on.hookStatus = 503
  const stored = await on.call('PUT', '/v1/files/photo.png', { bytes: PNG, headers: { 'x-call-id': 'call-7' } })
  const id = String(stored.body['id'])
  const told = () => on.hooks.filter(({ body }) => body['file_id'] === id)
  await eventually('it was tried', () => told().length > 0)
  assert.equal(stored.body['thumbnail'], false)
  await on.kill()
  on.hookStatus = 202
  const before = told().length
  await on.start()
  const hook = await eventually('it is told again after a kill', () => told()[before])
  assert.deepEqual([hook.path, hook.callId, hook.authorization, hook.body], ['/async-function/thumbnail', 'call-7', `Bearer ${on.serviceToken}`,
    { file_id: id, owner: 'ada', path: 'photo.png', version: 1, content_type: 'image/png', size: PNG.length, call_id: 'call-7' }])
  await eventually('nobody is left to be told', async () => (await on.rows('SELECT * FROM hooks')).length === 0)

  const at = `/v1/by-id/${id}/1`
  assert.ok((await on.call('GET', `${at}/content`, { token: on.serviceToken })).bytes.equals(PNG))
  const missing = await on.call('GET', '/v1/files/photo.png?thumbnail=true')
  assert.deepEqual([missing.status, missing.body['code']], [404, 'no_thumbnail'])
  const small = Buffer.from('ffd8ffe0aabb', 'hex')
  assert.equal((await on.call('PUT', `${at}/thumbnail`, { bytes: small })).status, 403)
  for (let times = 0; times < 2; times++) assert.equal((await on.call('PUT', `${at}/thumbnail`, { token: on.serviceToken, bytes: small })).status, 204)
  assert.equal((await on.call('PUT', `${at}/thumbnail`, { token: on.serviceToken, bytes: 'text' })).status, 415)
  assert.equal((await on.call('PUT', `${at}/thumbnail`, { token: on.serviceToken, bytes: new Uint8Array(600_000) })).status, 413)
  assert.equal((await on.call('PUT', `/v1/by-id/${id}/7/thumbnail`, { token: on.serviceToken, bytes: small })).status, 404)
  const shown = await on.call('GET', '/v1/files/photo.png?thumbnail=true')
  assert.deepEqual([shown.status, shown.headers.get('content-type'), shown.bytes.equals(small)], [200, 'image/jpeg', true])
  assert.equal((await on.call('GET', `${at}/thumbnail`, { token: await on.tokenOf('eve') })).status, 404)
  assert.equal((await on.call('GET', '/v1/info/photo.png')).body['thumbnail'], true)
  await on.call('PUT', '/v1/files/no-photo.txt', { bytes: 'text' })
  assert.equal(on.hooks.filter(({ body }) => body['path'] === 'no-photo.txt').length, 0)
})

const CONTENT = '0123456789'
cases('a range is', [
  { name: 'the first bytes', range: 'bytes=0-3', status: 206, text: '0123', header: 'bytes 0-3/10' },
  { name: 'from a byte on', range: 'bytes=7-', status: 206, text: '789', header: 'bytes 7-9/10' },
  { name: 'the last bytes', range: 'bytes=-2', status: 206, text: '89', header: 'bytes 8-9/10' },
  { name: 'longer than there is', range: 'bytes=8-100', status: 206, text: '89', header: 'bytes 8-9/10' },
  { name: 'more of the last than there is', range: 'bytes=-100', status: 206, text: CONTENT, header: 'bytes 0-9/10' },
  { name: 'behind the end', range: 'bytes=10-', status: 416, text: undefined, header: 'bytes */10' },
  { name: 'none of the last', range: 'bytes=-0', status: 416, text: undefined, header: 'bytes */10' },
  { name: 'the wrong way round and so none', range: 'bytes=3-1', status: 200, text: CONTENT, header: null },
  { name: 'of another unit and so none', range: 'lines=0-1', status: 200, text: CONTENT, header: null },
  { name: 'nonsense and so none', range: 'bytes=a-b', status: 200, text: CONTENT, header: null },
  { name: 'one of several that is there', range: 'bytes=50-60, 2-3', status: 206, text: '23', header: 'bytes 2-3/10' },
  { name: 'several that overlap and so all', range: 'bytes=0-5,3-7', status: 200, text: CONTENT, header: null },
  { name: 'too many and so all', range: `bytes=${Array.from({ length: 17 }, () => '0-0').join()}`, status: 200, text: CONTENT, header: null },
  { name: 'of the content that the caller has begun with', range: 'bytes=0-3', ifRange: `"${sha256(CONTENT)}"`, status: 206, text: '0123', header: 'bytes 0-3/10' },
  { name: 'of another content and so all', range: 'bytes=0-3', ifRange: '"other"', status: 200, text: CONTENT, header: null },
] as const, async ({ range, status, text, header, ...more }) => {
  const on = await stage.on()
  await on.call('PUT', '/v1/files/digits.txt', { bytes: CONTENT })
  const reply = await on.call('GET', '/v1/files/digits.txt', { headers: { range, ...('ifRange' in more && { 'if-range': more.ifRange }) } })
  assert.deepEqual([reply.status, reply.headers.get('content-range')], [status, header])
  if (text !== undefined) assert.equal(reply.bytes.toString(), text)
})

test('several ranges come as parts, each with its place', async () => {
  const on = await stage.on()
  const reply = await on.call('GET', '/v1/files/digits.txt', { headers: { range: 'bytes=0-1,4-5,-1' } })
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(reply.headers.get('content-type') ?? '')?.[1]
  const part = (range: string, text: string): string => `\r\n--${boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes ${range}/10\r\n\r\n${text}`
  assert.equal(reply.bytes.toString(), `${part('0-1', '01')}${part('4-5', '45')}${part('9-9', '9')}\r\n--${boundary}--\r\n`)
  assert.equal(reply.headers.get('content-length'), String(reply.bytes.length))
})

test('without a volume nothing is stored, and why is said', async () => {
  const on = await stage.on()
  await on.kill()
  await on.start({ volume_path: '' })
  const reply = await on.call('PUT', '/v1/files/x.txt', { bytes: 'x' })
  assert.deepEqual([reply.status, reply.body['code']], [503, 'not_durable'])
  assert.match(String(reply.body['detail']), /the function has no volume; give it one/)
  await on.kill()
  await on.start({ data_folder: '/dev/shm/bramble-files-test', trust_folder: 'false' })
  assert.match(String((await on.call('PUT', '/v1/files/x.txt', { bytes: 'x' })).body['detail']), /lies on tmpfs/)
  await rm('/dev/shm/bramble-files-test', { recursive: true, force: true })
})

stage.end()

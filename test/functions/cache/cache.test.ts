import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { cases, eventually, test } from '../../kit.ts'
import { type Cache, startCache } from './started-cache.ts'

/** One process for all tests of this file, ended with the last of them; each test has a namespace of its own. */
let shared: Promise<Cache> | undefined
const cache = (): Promise<Cache> => shared ??= startCache({ max_memory: '8Mi', max_value_size: '256Ki', max_batch_size: '512Ki' })

async function problemOf(answer: Response): Promise<[status: number, code: unknown]> {
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
  return [answer.status, JSON.parse(await answer.text()).code]
}

const etagOf = (answer: Response): string => answer.headers.get('etag') ?? ''

cases('bytes come back as they were written, with their content type', [
  { name: 'under a namespace', base: '/v1/raw/keys' },
  { name: 'in a group', base: '/v1/raw/groups/a%2Fb%20%F0%9F%98%80/keys' },
], async ({ base }) => {
  const { call } = await cache()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  for (const [name, body] of [['all bytes', bytes], ['none', Buffer.alloc(0)], ['a lot/of them ☃', Buffer.alloc(200_000, bytes)]] as const) {
    const path = `${base}/${encodeURIComponent(name)}`
    const written = await call('PUT', path, { body, headers: { 'content-type': 'image/x-test' } })
    assert.equal(written.status, 201, name)
    const read = await call('GET', path)
    assert.equal(read.status, 200)
    assert.equal(read.headers.get('content-type'), 'image/x-test')
    assert.equal(etagOf(read), etagOf(written))
    assert.equal(read.headers.get('cache-status'), 'bramble; hit')
    assert.deepEqual(await read.bytes(), new Uint8Array(body), name)
    const head = await call('HEAD', path)
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(body.length)])
    assert.equal((await call('PUT', path, { body: 'other' })).status, 204)
    assert.equal(await (await call('GET', path)).text(), 'other')
  }
})

test('a content type that could not be sent with the value is refused', async () => {
  const { call } = await cache()
  for (const type of ['0', 'text', 'text/plain; a', 'text/plain; a="\\"']) {
    assert.equal((await call('PUT', '/v1/types/keys/a', { body: 'x', headers: { 'content-type': type } })).status, 422, type)
  }
  for (const type of ['text/plain\n', 'text/plain;\na=b', 'text/plain\u00a0; a=b', 'text/☃', 'text/plain; a="\n"']) {
    const body = JSON.stringify({ entries: [{ key: 'a', text: 'x', content_type: type }] })
    assert.equal((await call('POST', '/v1/types/groups/g/set', { body, headers: { 'content-type': 'application/json' } })).status, 400, type)
  }
})

test('a value has the time it was given', async () => {
  const { call } = await cache()
  await call('PUT', '/v1/times/keys/short?ttl_ms=300', { body: 'x' })
  await call('PUT', '/v1/times/keys/stale?ttl_ms=1&stale_ms=60000', { body: 'old' })
  await call('PUT', '/v1/times/keys/long?ttl_ms=60500', { body: 'x' })
  assert.equal((await call('GET', '/v1/times/keys/long')).headers.get('cache-status'), 'bramble; hit; ttl=60')
  await eventually('it is over', async () => (await call('GET', '/v1/times/keys/short')).status === 404)
  const stale = await eventually('it is stale', async () => {
    const answer = await call('GET', '/v1/times/keys/stale')
    return /ttl=-/.test(answer.headers.get('cache-status') ?? '') && answer
  })
  assert.deepEqual([stale.status, await stale.text()], [200, 'old'])
  const gone = await call('GET', '/v1/times/keys/nothing')
  assert.equal(gone.headers.get('cache-status'), 'bramble; fwd=miss')
  assert.deepEqual(await problemOf(gone), [404, 'not_found'])
})

test('conditions: only a new one, only over the version that was read, only what has changed', async () => {
  const { call } = await cache()
  const path = '/v1/conditions/keys/k'
  const put = (body: string, headers: Record<string, string>): Promise<Response> => call('PUT', path, { body, headers })
  assert.deepEqual(await problemOf(await put('0', { 'if-match': '*' })), [412, 'precondition_failed'])
  const first = await put('1', { 'if-none-match': '*' })
  assert.equal(first.status, 201)
  const again = await put('2', { 'if-none-match': '*' })
  assert.equal(etagOf(again), etagOf(first))
  assert.deepEqual(await problemOf(again), [412, 'precondition_failed'])
  const second = await put('2', { 'if-match': `"x", ${etagOf(first)}` })
  assert.equal(second.status, 204)
  assert.notEqual(etagOf(second), etagOf(first))
  assert.deepEqual(await problemOf(await put('3', { 'if-match': etagOf(first) })), [412, 'precondition_failed'])
  assert.equal((await call('GET', path, { headers: { 'if-none-match': etagOf(second) } })).status, 304)
  assert.equal(await (await call('GET', path, { headers: { 'if-none-match': etagOf(first) } })).text(), '2')
  assert.deepEqual(await problemOf(await call('DELETE', path, { headers: { 'if-match': etagOf(first) } })), [412, 'precondition_failed'])
  assert.equal((await call('DELETE', path, { headers: { 'if-match': etagOf(second) } })).status, 204)
  assert.equal((await call('DELETE', path)).status, 204, 'nothing to remove is no mistake')
  assert.equal((await call('GET', path)).status, 404)
  const third = await put('2', {})
  assert.notEqual(etagOf(third), etagOf(second), 'a version never comes back')
})

test('of many who write a new one, one does', async () => {
  const { call } = await cache()
  const statuses = await Promise.all(Array.from({ length: 50 }, async (_, i) =>
    (await call('PUT', '/v1/race/keys/k', { body: String(i), headers: { 'if-none-match': '*' } })).status))
  assert.deepEqual(statuses.toSorted(), [201, ...Array(49).fill(412)])
})

test('increments at the same time are all counted, and keep the time of the first', async () => {
  const { call, json } = await cache()
  const path = '/v1/counts/keys/visits'
  const values = await Promise.all(Array.from({ length: 100 }, async () => (await json('POST', `${path}/increment`, { ttl_ms: 60_000 }))['value']))
  assert.deepEqual(values.map(Number).toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i + 1))
  const down = await json('POST', `${path}/increment`, { by: -200, ttl_ms: 1 })
  assert.equal(down['value'], -100)
  assert.ok(Number(down['ttl_ms']) > 30_000, 'it keeps its time')
  assert.equal(await (await call('GET', path)).text(), '-100')
  assert.equal((await json('POST', '/v1/counts/keys/from/increment', { initial: 10 }))['value'], 11)
  await call('PUT', '/v1/counts/keys/text', { body: 'one' })
  await assert.rejects(json('POST', '/v1/counts/keys/text/increment', {}), /409 not_a_number/)
  await call('PUT', '/v1/counts/keys/most', { body: String(Number.MAX_SAFE_INTEGER) })
  await assert.rejects(json('POST', '/v1/counts/keys/most/increment', {}), /409 out_of_range/)
})

test('an increment that is sent again with its key is counted once', async () => {
  const { json } = await cache()
  const add = (key: string, by = 1): Promise<Record<string, unknown>> => json('POST', '/v1/again/keys/k/increment', { by }, { 'idempotency-key': key })
  const first = await add('one')
  assert.deepEqual(await add('one'), first)
  assert.equal((await add('two'))['value'], 2)
  await assert.rejects(add('one', 2), /422 key_reused/)
})

test('compare and set writes over what is expected, and over nothing else', async () => {
  const { call, json } = await cache()
  const path = '/v1/compare/groups/g/keys/k'
  const swap = (expected: unknown, value: unknown): Promise<Record<string, unknown>> => json('POST', `${path}/compare-and-set`, { expected, value })
  await assert.rejects(swap({ text: 'a' }, { text: 'b' }), /409 not_as_expected: there is no such entry/)
  await swap(null, { text: 'a' })
  await assert.rejects(swap(null, { text: 'b' }), /409 not_as_expected: it has another content/)
  const { etag } = await swap({ text: 'a' }, { base64: Buffer.from([0, 255]).toString('base64') })
  const read = await call('GET', path)
  assert.deepEqual([etagOf(read), [...await read.bytes()]], [etag, [0, 255]])
  const winners = await Promise.all(Array.from({ length: 20 }, (_, i) =>
    swap({ base64: 'AP8=' }, { text: String(i) }).then(() => 1, () => 0)))
  assert.equal(winners.reduce<number>((sum, one) => sum + one, 0), 1)
  const now = await (await call('GET', path)).text()
  assert.deepEqual(await swap({ text: now }, null), {})
  assert.equal((await call('GET', path)).status, 404)
})

test('many entries of a group are written and read in one call', async () => {
  const { call, json } = await cache()
  const at = '/v1/many/groups/g'
  const { items } = await json('POST', `${at}/set`, { entries: [
    { key: 'a', text: 'ä' },
    { key: 'b', base64: 'AP8=', content_type: 'image/png', ttl_ms: 60_000, tags: ['t'] },
  ] })
  const [a, b] = items as { key: string; etag: string }[]
  const read = await json('POST', `${at}/get`, { keys: ['b', 'nothing', 'a'] })
  const [first, ...rest] = read['items'] as Record<string, unknown>[]
  assert.ok(Number(first?.['ttl_ms']) > 30_000)
  assert.deepEqual({ ...first, ttl_ms: 0 }, { key: 'b', found: true, base64: 'AP8=', content_type: 'image/png', etag: b?.etag, ttl_ms: 0 })
  assert.deepEqual(rest, [{ key: 'nothing', found: false }, { key: 'a', found: true, text: 'ä', content_type: 'text/plain; charset=utf-8', etag: a?.etag }])
  assert.equal((await call('GET', `${at}/keys/b`)).headers.get('content-type'), 'image/png')
  await assert.rejects(json('POST', `${at}/set`, { entries: [{ key: 'a', text: 'new' }, { key: 'large', text: 'x'.repeat(300_000) }] }), /413 too_large.*entry 1/)
  assert.equal(await (await call('GET', `${at}/keys/a`)).text(), 'ä', 'all or none')
  for (const key of ['l1', 'l2', 'l3']) await call('PUT', `${at}/keys/${key}`, { body: 'x'.repeat(200_000) })
  await assert.rejects(json('POST', `${at}/get`, { keys: ['l1', 'l2', 'l3'] }), /413 too_large/)
})

test('tags remove what has them, a group goes as a whole', async () => {
  const { call, json } = await cache()
  const at = '/v1/tags/groups/g'
  await call('PUT', `${at}/keys/a?tag=red&tag=round`, { body: 'a' })
  await call('PUT', `${at}/keys/b?tag=red`, { body: 'b' })
  await call('PUT', `${at}/keys/c`, { body: 'c' })
  await call('PUT', '/v1/tags/groups/other/keys/a?tag=red', { body: 'other' })
  assert.deepEqual(await json('POST', `${at}/invalidate`, { tags: ['red', 'blue'] }), { removed: 2 })
  const { items } = await json('POST', `${at}/get`, { keys: ['a', 'b', 'c'] })
  assert.deepEqual((items as { found: boolean }[]).map(({ found }) => found), [false, false, true])
  assert.equal((await call('GET', '/v1/tags/groups/other/keys/a')).status, 200)
  assert.deepEqual(await json('DELETE', at), { removed: 1 })
  const refused = await call('PUT', '/v1/tags/keys/a?tag=red', { body: 'a' })
  assert.deepEqual(await problemOf(refused), [400, 'invalid_input'])
})

test('of many who miss a value, one makes it and the others get it', async () => {
  const { call } = await cache()
  const path = '/v1/flight/keys/k?lease_ms=20000&wait_ms=20000'
  let made = 0
  const texts = await Promise.all(Array.from({ length: 40 }, async () => {
    const answer = await call('GET', path)
    if (answer.status === 200) return answer.text()
    const lease = answer.headers.get('cache-lease')
    assert.ok(lease, 'who waits for nothing is to make it')
    made++
    assert.equal((await call('PUT', '/v1/flight/keys/k', { body: 'made', headers: { 'cache-lease': lease } })).status, 201)
    return 'made'
  }))
  assert.equal(made, 1)
  assert.deepEqual(new Set(texts), new Set(['made']))
})

test('while one makes a new value, all get the stale one', async () => {
  const { call } = await cache()
  const path = '/v1/revalidate/keys/k'
  await call('PUT', `${path}?ttl_ms=1&stale_ms=60000`, { body: 'old' })
  await eventually('it is stale', async () => /ttl=-/.test((await call('GET', path)).headers.get('cache-status') ?? ''))
  const answers = await Promise.all(Array.from({ length: 20 }, () => call('GET', `${path}?lease_ms=20000&wait_ms=20000`)))
  assert.deepEqual(new Set(await Promise.all(answers.map((one) => one.text()))), new Set(['old']))
  const leases = answers.flatMap((one) => one.headers.get('cache-lease') ?? [])
  assert.equal(leases.length, 1)
  assert.equal((await call('PUT', `${path}?ttl_ms=60000`, { body: 'new', headers: { 'cache-lease': leases[0] ?? '' } })).status, 204)
  const fresh = await call('GET', `${path}?lease_ms=20000`)
  assert.deepEqual([await fresh.text(), fresh.headers.get('cache-lease')], ['new', null])
})

cases('a value that was computed before something happened is not stored', [
  { name: 'the entry was written', act: ({ call }: Cache) => call('PUT', '/v1/lost/groups/g/keys/k', { body: 'newer' }) },
  { name: 'it was removed', act: ({ call }: Cache) => call('DELETE', '/v1/lost/groups/g/keys/k') },
  { name: 'its group was invalidated by a tag', act: ({ json }: Cache) => json('POST', '/v1/lost/groups/g/invalidate', { tags: ['any'] }) },
  { name: 'its group was removed', act: ({ json }: Cache) => json('DELETE', '/v1/lost/groups/g') },
  { name: 'the lease has been outlived', leaseMs: 1, act: () => eventually('it is over', () => new Promise((resolve) => setTimeout(resolve, 20, true))) },
], async ({ act, leaseMs = 20_000 }) => {
  const { call } = await cache()
  const path = '/v1/lost/groups/g/keys/k'
  await call('DELETE', path)
  const lease = (await call('GET', `${path}?lease_ms=${leaseMs}`)).headers.get('cache-lease') ?? ''
  await act(await cache())
  const late = await call('PUT', path, { body: 'computed from old data', headers: { 'cache-lease': lease } })
  assert.deepEqual(await problemOf(late), [409, 'lease_lost'])
})

test('who waits for one that never comes gets the lease when its time is over, or goes without', async () => {
  const { call } = await cache()
  const path = '/v1/slow/keys/k'
  const first = await call('GET', `${path}?lease_ms=300`)
  assert.ok(first.headers.get('cache-lease'))
  const next = await call('GET', `${path}?lease_ms=20000&wait_ms=20000`)
  assert.deepEqual([next.status, next.headers.get('cache-lease') !== null], [404, true])
  const without = await call('GET', `${path}?lease_ms=20000&wait_ms=10`)
  assert.deepEqual([without.status, without.headers.get('cache-lease')], [404, null])
})

test('who hangs up waits no longer', async () => {
  const { call, process, json } = await cache()
  await call('GET', '/v1/hang/keys/k?lease_ms=20000')
  const waiting = async (): Promise<unknown> => (await json('GET', '/v1/stats'))['waiting']
  const socket = connect(process.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /v1/hang/keys/k?lease_ms=20000&wait_ms=20000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a-token-of-the-test-0123456789\r\n\r\n')
  await eventually('it waits', async () => await waiting() === 1)
  socket.destroy()
  await eventually('it is gone', async () => await waiting() === 0)
})

cases('what is not as it should be is refused', [
  { name: 'a large value', method: 'PUT', path: '/v1/n/keys/k', init: { body: 'x'.repeat(256 * 1024 + 1) }, is: [413, 'too_large'] },
  { name: 'a compressed value', method: 'PUT', path: '/v1/n/keys/k', init: { body: 'x', headers: { 'content-encoding': 'gzip' } }, is: [415, 'unsupported_media_type'] },
  { name: 'a long key', method: 'GET', path: `/v1/n/keys/${'x'.repeat(513)}`, init: {}, is: [400, 'invalid_input'] },
  { name: 'a namespace with a capital', method: 'GET', path: '/v1/N/keys/k', init: {}, is: [400, 'invalid_input'] },
  { name: 'a namespace that is not one', method: 'GET', path: '/v1/a%2Fb/keys/k', init: {}, is: [400, 'invalid_input'] },
  { name: 'a time of nothing', method: 'PUT', path: '/v1/n/keys/k?ttl_ms=0', init: { body: 'x' }, is: [400, 'invalid_input'] },
  { name: 'many tags', method: 'PUT', path: `/v1/n/groups/g/keys/k?${'tag=a&'.repeat(17)}`, init: { body: 'x' }, is: [400, 'invalid_input'] },
  { name: 'another condition than *', method: 'PUT', path: '/v1/n/keys/k', init: { body: 'x', headers: { 'if-none-match': '"a"' } }, is: [400, 'invalid_input'] },
  { name: 'a method that is not there', method: 'PATCH', path: '/v1/n/keys/k', init: { body: 'x' }, is: [405, 'method_not_allowed'] },
  { name: 'a call without the token', method: 'GET', path: '/v1/n/keys/k', init: { headers: { authorization: 'Bearer nobody-knows-this-one' } }, is: [401, 'unauthorized'] },
  { name: 'the numbers without the token', method: 'GET', path: '/v1/stats', init: { headers: { authorization: '' } }, is: [401, 'unauthorized'] },
] satisfies { name: string; method: string; path: string; init: RequestInit; is: [number, string] }[], async ({ method, path, init, is }) => {
  assert.deepEqual(await problemOf(await (await cache()).call(method, path, init)), is)
})

test('it describes itself and says how it is, to anybody', async () => {
  const { call } = await cache()
  assert.equal((await call('GET', '/healthz', { headers: { authorization: '' } })).status, 200)
  const document = JSON.parse(await (await call('GET', '/openapi.json', { headers: { authorization: '' } })).text())
  const put = document.paths['/v1/{namespace}/keys/{key}'].put
  assert.deepEqual(Object.keys(put.requestBody.content), ['application/octet-stream'], 'bytes stand for any type')
  const operations = Object.values<Record<string, { operationId: string; security: unknown[] }>>(document.paths).flatMap((one) => Object.values(one))
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  assert.ok(operations.every(({ operationId, security }) => security.length === 1 || ['health', 'description'].includes(operationId)))
})

test('its memory is bounded, and it tells its numbers', async () => {
  const { call, json } = await cache()
  const { process } = await cache()
  for (let i = 0; i < 400; i += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, j) => call('PUT', `/v1/flood/keys/${i + j}`, { body: Buffer.alloc(60_000, i) })))
  }
  const stats = await json('GET', '/v1/stats')
  assert.equal(stats['limit_bytes'], 8 * 1024 * 1024)
  assert.ok(Number(stats['bytes']) <= 8 * 1024 * 1024 && Number(stats['bytes']) > 7 * 1024 * 1024)
  assert.ok(Number(stats['evictions']) > 200)
  assert.equal((await call('GET', '/v1/flood/keys/399')).status, 200)
  assert.equal((await call('GET', '/v1/flood/keys/0')).status, 404)
  const metrics = await (await fetch(process.metricsUrl)).text()
  assert.match(metrics, /^# TYPE bramble_cache_reads_total counter\nbramble_cache_reads_total\{result="hit"\} \d+$/m)
  assert.match(metrics, new RegExp(`^bramble_cache_memory_limit_bytes ${8 * 1024 * 1024}$`, 'm'))
  assert.equal(process.logs().filter(({ level }) => level === 'error').length, 0)
})

test('the process of these tests ends', async () => {
  await (await cache())[Symbol.asyncDispose]()
})

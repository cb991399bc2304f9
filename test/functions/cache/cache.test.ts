import * as assert from 'node:assert/strict'
import { test } from '../../kit.ts'
import { type Cache, startCache } from './started-cache.ts'

/** One process for all tests of this file, ended with the last of them; each test has keys of its own. */
let shared: Promise<Cache> | undefined
const cache = (): Promise<Cache> => shared ??= startCache({ max_memory: '8Mi', max_value_size: '256Ki', max_batch_size: '512Ki' })

test('bytes come back as they were written, with their content type', async () => {
  const { call } = await cache()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  for (const [name, body] of [['all bytes', bytes], ['none', Buffer.alloc(0)], ['many', Buffer.alloc(200_000, bytes)]] as const) {
    const path = `/v1/raw/keys/${encodeURIComponent(name)}`
    const written = await call('PUT', path, { body, headers: { 'content-type': 'image/x-test' } })
    assert.equal(written.status, 201, name)
    const read = await call('GET', path)
    assert.equal(read.status, 200)
    assert.equal(read.headers.get('content-type'), 'image/x-test')
    assert.equal(read.headers.get('etag'), written.headers.get('etag'))
    assert.equal(read.headers.get('cache-status'), 'bramble; hit')
    assert.deepEqual(await read.bytes(), new Uint8Array(body), name)
    assert.equal((await call('PUT', path, { body: 'other' })).status, 204)
    assert.equal(await (await call('GET', path)).text(), 'other')
  }
})

test('the process of these tests ends', async () => {
  await (await cache())[Symbol.asyncDispose]()
})

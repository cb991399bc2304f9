import * as assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULTS, readSettings } from '../../../functions/cache/settings.ts'
import { cases, test } from '../../kit.ts'
import { startCache } from './started-cache.ts'

const MEBIBYTE = 1024 ** 2
const PROCESS_BYTES = 256 * MEBIBYTE
const readme = readFileSync(join(import.meta.dirname, '../../../functions/cache/README.md'), 'utf8')

test('without any setting all is well', () => {
  assert.deepEqual(readSettings({}, PROCESS_BYTES), {
    maxMemoryBytes: 64 * MEBIBYTE, maxValueBytes: MEBIBYTE, maxBatchBytes: 8 * MEBIBYTE, defaultTtlMs: undefined,
  })
  assert.equal(readSettings({ default_ttl: '90s' }, PROCESS_BYTES).defaultTtlMs, 90_000)
})

cases('a bad setting stops the start with what it should be', [
  { name: 'no size', env: { max_memory: 'much' }, says: /max_memory="much" is not a size like/ },
  { name: 'nothing', env: { max_value_size: '0' }, says: /max_value_size="0" is not/ },
  { name: 'no time', env: { default_ttl: '10' }, says: /default_ttl="10" is not none, or a time like/ },
  { name: 'more than the process has', env: { max_memory: '200Mi' }, says: /max_memory is 200Mi, but this process may use 256Mi in all, of which the entries may take 128Mi: lower it/ },
  { name: 'a value that pushes out all others', env: { max_memory: '2Mi' }, says: /max_value_size is more than a quarter.*; max_batch_size is more than a quarter/ },
  { name: 'several', env: { max_memory: 'x', default_ttl: 'x' }, says: /max_memory.*; default_ttl/ },
], ({ env, says }) => assert.throws(() => readSettings({ max_value_size: '1Mi', ...env }, PROCESS_BYTES), says))

test('the README tells every setting with its default', () => {
  const rows = [...readme.matchAll(/^\| `([a-z_]+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [name, value?.trim()])
  assert.deepEqual(Object.fromEntries(rows.filter(([name]) => name !== undefined && Object.hasOwn(DEFAULTS, name))), DEFAULTS)
})

test('a value without a time of its own has default_ttl, however it was written', async () => {
  await using cache = await startCache({ default_ttl: '1h' })
  await cache.call('PUT', '/v1/d/keys/put', { body: 'x' })
  await cache.call('PUT', '/v1/d/keys/own?ttl_ms=86400000', { body: 'x' })
  await cache.json('POST', '/v1/d/keys/counted/increment', {})
  await cache.json('POST', '/v1/d/groups/g/set', { entries: [{ key: 'grouped', text: 'x' }] })
  const hoursLeft = async (path: string) => Math.ceil(Number(/; ttl=(\d+)$/.exec((await cache.call('GET', path)).headers.get('cache-status') ?? '')?.[1]) / 3600)
  assert.deepEqual(await Promise.all(['keys/put', 'keys/own', 'keys/counted', 'groups/g/keys/grouped'].map((path) => hoursLeft(`/v1/d/${path}`))), [1, 24, 1, 1])
})

test('a cache without its token, or with more memory than it may have, does not start', async () => {
  await assert.rejects(startCache({ secret_mount_path: '/nowhere' }), /secret service-token cannot be read/)
  await assert.rejects(startCache({ max_memory: '900Gi' }), /max_memory is 921600Mi, but this process may use/)
})

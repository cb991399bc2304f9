/** The cache knows where the gateway looks for a key, and drops what it would not find here any more. */
import * as assert from 'node:assert/strict'
import { createMemoryStore } from '../../../functions/cache/memory-store.ts'
import { createMovedKeys } from '../../../functions/cache/moved-keys.ts'
import { placeOf, readPlacement } from '../../../functions/cache/placement.ts'
import { affinityKey, chooseByKey, placeSeed } from '../../../platform/gateway/affinity.ts'
import { cases, eventually, test } from '../../kit.ts'
import { startCache } from './started-cache.ts'

const PLACES = [[0], [0, 1], [0, 2, 5], [0, 1, 2, 3, 4, 5, 6, 7]]
const KEYS = Array.from({ length: 1_000 }, (_, i) => ['a', 'ä', '日本/😀', ' %'][i % 4] + String(i))

test('both say the same of every key', () => {
  for (const places of PLACES) {
    const replicas = places.map((place) => ({ place, placeSeed: placeSeed(place), inFlight: 0, failures: 0, asideUntilMs: 0, isSilent: false }))
    for (const key of KEYS) {
      const path = `/v1/pages/keys/${encodeURIComponent(key)}?ttl_ms=1`
      const theirs = chooseByKey(replicas, affinityKey({ by: 'path', segments: [2, 4] }, path, []) ?? '', 0)?.place
      assert.equal(placeOf(['pages', key], places), theirs, key)
    }
  }
})

cases('what is no placement of this service is none', [
  { name: 'another affinity', header: 'path:2 0/0,1' },
  { name: 'a header', header: 'header:x-key 0/0,1' },
  { name: 'two of them', header: 'path:2,4 0/0,1, path:2,4 0/0,1' },
  { name: 'nothing', header: '' },
  { name: 'no places', header: 'path:2,4 0/' },
], ({ header }) => assert.equal(readPlacement(header), undefined))

test('when replicas change, what has moved away is dropped, and nothing else', async () => {
  await using cache = await startCache()
  const { call, json } = cache
  const spaces = ['/v1/pages/keys/', '/v1/pages/groups/g1/keys/', '/v1/pages/groups/g2%2Fx/keys/']
  await Promise.all(spaces.flatMap((space) => Array.from({ length: 60 }, (_, i) => call('PUT', `${space}k${i}`, { body: 'x' }))))
  for (let i = 0; i < 10; i++) await json('POST', '/v1/pages/keys/count/increment', {}, { 'idempotency-key': `call-${i}` })
  const entries = async (): Promise<number> => Number((await json('GET', '/v1/stats'))['entries'])
  assert.equal(await entries(), 191)
  await json('GET', '/v1/stats', undefined, { 'x-bramble-place': 'path:1 0/1' })
  await json('GET', '/v1/stats', undefined, { 'x-bramble-place': 'path:2,4 1/0,1,2' })
  const isHere = (parts: readonly [string, string]): boolean => placeOf(parts, [0, 1, 2]) === 1
  const stay = Array.from({ length: 60 }, (_, i) => `k${i}`).filter((key) => isHere(['pages', key]))
  const expected = stay.length + (isHere(['pages', 'g1']) ? 60 : 0) + (isHere(['pages', 'g2/x']) ? 60 : 0) + (isHere(['pages', 'count']) ? 1 : 0) + 10
  await eventually('what has moved is gone', async () => await entries() === expected)
  for (const key of stay) assert.equal((await call('GET', `/v1/pages/keys/${key}`)).status, 200)
  assert.ok(stay.length > 5 && stay.length < 40)
})

test('who fills an entry fills it no more once its key has been elsewhere, and who waits looks again', async () => {
  await using cache = await startCache()
  const keyOf = (place: number): string => KEYS.find((key) => placeOf(['pages', key], [0, 1]) === place) ?? assert.fail('there is none')
  const at = (place: number): string => `/v1/pages/keys/${encodeURIComponent(keyOf(place))}`
  const of = (places: string, more: Record<string, string> = {}) => ({ headers: { 'x-bramble-place': `path:2,4 0/${places}`, ...more } })
  const leaseOf = async (path: string): Promise<string> => (await cache.call('GET', `${path}?lease_ms=60000`, of('0'))).headers.get('cache-lease') ?? ''
  const [stays, moves] = [await leaseOf(at(0)), await leaseOf(at(1))]
  const waiting = cache.call('GET', `${at(1)}?lease_ms=60000&wait_ms=20000`, of('0'))
  await eventually('one waits', async () => (await cache.json('GET', '/v1/stats'))['waiting'] === 1)
  // The key is written and invalidated at the other place meanwhile.
  await cache.json('GET', '/v1/stats', undefined, of('0,1').headers)
  const strayed = (await waiting).headers.get('cache-lease') ?? assert.fail('who waited got nothing')
  await cache.json('GET', '/v1/stats', undefined, of('0').headers)
  const put = async (path: string, lease: string): Promise<number> => (await cache.call('PUT', path, { body: 'x', ...of('0', { 'cache-lease': lease }) })).status
  assert.deepEqual([await put(at(0), stays), await put(at(1), moves), await put(at(1), strayed)], [201, 409, 409])
})

test('a key that was elsewhere while others were being dropped is dropped, too', async () => {
  const nowMs = (): number => performance.now()
  const store = createMemoryStore({ limitBytes: 1e8, nowMs })
  const tell = createMovedKeys({ store, leases: { retain: () => undefined } })
  store.putAll('pages', Array.from({ length: 5_000 }, (_, i) => [`k${i}`, { value: Buffer.from('x'), contentType: 'text/plain', freshMs: undefined, staleMs: 0, tags: [] }]))
  for (const places of ['0', '0,1', '0']) tell(`path:2,4 0/${places}`)
  const stay = Array.from({ length: 5_000 }, (_, i) => `k${i}`).filter((key) => placeOf(['pages', key], [0, 1]) === 0)
  await eventually('what has moved is gone', () => store.stats().entries === stay.length)
})

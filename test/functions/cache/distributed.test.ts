/** The cache on the real platform: three replicas, two processes of the data path, keys spread by the gateway. */
import * as assert from 'node:assert/strict'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { buildFunctions } from '../../bench/build-functions.ts'
import { type Platform, ROOT, startPlatform } from '../../bench/platform.ts'
import { eventually, test } from '../../kit.ts'
import { TOKEN } from './started-cache.ts'

const KEYS = Array.from({ length: 300 }, (_, i) => `user-${i}`)
const AT_ONCE = 20
const LIMIT = { timeoutMs: 120_000 }

type World = AsyncDisposable & {
  readonly platform: Platform
  call(method: string, path: string, body?: string): Promise<Response>
  /** Those of the keys that are there. */
  present(): Promise<ReadonlySet<string>>
  /** Entries of each replica, by its process. */
  entries(): Promise<ReadonlyMap<number, number>>
}

/** One platform for all tests of this file, ended with the last of them. */
let shared: Promise<World> | undefined
const world = (): Promise<World> => shared ??= open()

async function open(): Promise<World> {
  await using cleaner = new AsyncDisposableStack()
  const built = cleaner.use(await buildFunctions(join(ROOT, 'stack.yml'), ['cache']))
  const platform = cleaner.use(await startPlatform({ functionsDir: built.folder, env: { gateway_processes: '2' } }))
  await platform.request('POST', '/system/secrets', { name: 'service-token', value: TOKEN })
  await platform.request('POST', '/system/functions', {
    service: 'cache', image: 'bramble/cache:0.1.0', secrets: ['service-token'], annotations: { 'bramble/affinity': 'path:2,4' },
  })
  await platform.scale('cache', 3)
  await platform.ready('cache', 3)
  const owned = cleaner.move()
  const authorization = `Bearer ${TOKEN}`
  const call: World['call'] = (method, path, body) =>
    fetch(`${platform.url}/function/cache${path}`, { method, headers: { authorization }, ...(body !== undefined && { body }) })
  return {
    platform, call,
    async present() {
      const statuses = await each(KEYS, async (key) => (await call('GET', `/v1/users/keys/${key}`)).status)
      assert.ok(statuses.every((status) => status === 200 || status === 404), String(statuses))
      return new Set(KEYS.filter((_, i) => statuses[i] === 200))
    },
    async entries() {
      const pairs = await Promise.all(platform.replicas('cache').map(async ({ pid, url }) => {
        const { entries }: { entries: number } = JSON.parse(await (await fetch(`${url}/v1/stats`, { headers: { authorization } })).text())
        return [pid, entries] as const
      }))
      return new Map(pairs)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function sum(entries: ReadonlyMap<number, number>): number {
  return [...entries.values()].reduce((all, one) => all + one, 0)
}

async function settled(present: World['present'], isChanged: (found: ReadonlySet<string>) => boolean): Promise<ReadonlySet<string>> {
  let before: ReadonlySet<string> | undefined
  return eventually('the change is everywhere', async () => {
    const found = await present()
    const isSettled = isChanged(found) && before !== undefined && isDeepStrictEqual(found, before)
    before = found
    return isSettled && found
  })
}

async function each<T, R>(all: readonly T[], body: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let i = 0; i < all.length; i += AT_ONCE) results.push(...await Promise.all(all.slice(i, i + AT_ONCE).map(body)))
  return results
}

test('keys are spread over replicas; one more moves its share, a lost one loses its part', async () => {
  const { platform, call, present, entries } = await world()
  const written = await each(KEYS, async (key) => (await call('PUT', `/v1/users/keys/${key}`, key)).status)
  assert.deepEqual(new Set(written), new Set([201]))
  assert.equal((await present()).size, KEYS.length, 'each is found where it was put')
  const parts = await entries()
  assert.equal(sum(parts), KEYS.length, 'and is nowhere else')
  for (const part of parts.values()) assert.ok(part > 70 && part < 130, String([...parts.values()]))

  await platform.scale('cache', 4)
  await platform.ready('cache', 4)
  // Both processes of the gateway have heard of it when the same keys are found twice.
  const stayed = await settled(present, (found) => found.size < KEYS.length)
  const moved = KEYS.filter((key) => !stayed.has(key))
  assert.ok(moved.length > 0.18 * KEYS.length && moved.length < 0.32 * KEYS.length, `${moved.length} of ${KEYS.length} moved, a quarter is meant to`)
  await eventually('those who had them have dropped them', async () => sum(await entries()) === stayed.size)
  await each(moved, (key) => call('PUT', `/v1/users/keys/${key}`, 'newer'))
  await platform.scale('cache', 3)
  await platform.ready('cache', 3)
  assert.deepEqual(await settled(present, (found) => found.size <= stayed.size), stayed, 'nothing old comes back')
  await each(moved, (key) => call('PUT', `/v1/users/keys/${key}`, key))

  const [lost = 0] = parts.keys()
  process.kill(lost, 'SIGKILL')
  await eventually('another one is there', () => {
    const pids = platform.replicas('cache').map(({ pid }) => pid)
    return pids.length === 3 && !pids.includes(lost)
  })
  await platform.ready('cache', 3)
  const left = await settled(present, (found) => found.size < KEYS.length)
  assert.equal(KEYS.length - left.size, parts.get(lost), 'its keys, and no others')
  // The new one has their place: what is written now is found by all, and was never found elsewhere.
  const gone = KEYS.filter((key) => !left.has(key))
  await each(gone, (key) => call('PUT', `/v1/users/keys/${key}`, 'again'))
  assert.equal((await present()).size, KEYS.length)
  assert.equal(sum(await entries()), KEYS.length)
  assert.deepEqual([...(await entries()).values()].toSorted(), [...parts.values()].toSorted())
}, LIMIT)

test('what belongs together is on one replica, through whichever process of the gateway it is called', async () => {
  const { platform, call } = await world()
  const keys = KEYS.slice(0, 100)
  await each(keys, (key) => call('PUT', `/v1/shop/groups/cart-1/keys/${key}?tag=all`, key))
  const post = async (path: string, body: unknown): Promise<Record<string, unknown>> => JSON.parse(await (await fetch(`${platform.url}/function/cache${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
  })).text())
  const { items } = await post('/v1/shop/groups/cart-1/get', { keys })
  assert.ok((items as { found: boolean }[]).every(({ found }) => found))
  assert.deepEqual(await post('/v1/shop/groups/cart-1/invalidate', { tags: ['all'] }), { removed: 100 })

  await each(KEYS, () => post('/v1/shop/keys/visits/increment', {}))
  assert.equal(await (await call('GET', '/v1/shop/keys/visits')).text(), '300')

  let made = 0
  const texts = await Promise.all(KEYS.slice(0, 30).map(async () => {
    const answer = await call('GET', '/v1/shop/keys/page?lease_ms=20000&wait_ms=20000')
    const lease = answer.headers.get('cache-lease')
    if (lease === null) return answer.text()
    made++
    await fetch(`${platform.url}/function/cache/v1/shop/keys/page`, { method: 'PUT', body: 'page', headers: { authorization: `Bearer ${TOKEN}`, 'cache-lease': lease } })
    return 'page'
  }))
  assert.deepEqual([made, new Set(texts)], [1, new Set(['page'])])
}, LIMIT)

test('the process of these tests ends', async () => {
  await (await world())[Symbol.asyncDispose]()
}, LIMIT)

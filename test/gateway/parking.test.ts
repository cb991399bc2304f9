/** Calls that wait for a replica, at the real gateway: replicas come when the test says so. */
import * as assert from 'node:assert/strict'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Gateway } from '../../platform/gateway/gateway.ts'
import type { Waker } from '../../platform/gateway/parking.ts'
import { BrambleError } from '../../platform/lib/errors.ts'
import { createTestGateway } from '../contract/replay.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'
import { eventually, test } from '../kit.ts'

const NAME = 'one.openfaas-fn'
const idle: Waker = { wake: () => new Promise(() => undefined), whyNotReady: async () => undefined }

type World = AsyncDisposable & {
  readonly gateway: Gateway
  readonly provider: SeededProvider
  call(signal?: AbortSignal): Promise<{ status: number; text: string }>
  /** Waits until so many calls wait. */
  waiting(count: number): Promise<void>
  /** A replica that holds its calls until it is told to answer them. */
  replica(): Promise<Replica>
}
type Replica = { readonly port: number; readonly held: ServerResponse[]; answer(count?: number): void }

async function start(replicas: number, waker: Waker | undefined, limits: Parameters<typeof createTestGateway>[2] = {}): Promise<World> {
  const provider = createSeededProvider({
    functions: [{ deployment: { service: 'one', image: 'test/one' }, replicas, availableReplicas: 0 }],
  })
  const gateway = createTestGateway(provider, 'none', { maxWaiting: 1_000, readyTimeoutMs: 20_000, ...limits }, waker)
  const servers: Server[] = []
  await provider.start()
  await gateway.start()
  provider.setEndpoints(NAME, [])
  return {
    gateway, provider,
    async call(signal) {
      const answer = await fetch(`${gateway.url()}/function/one`, signal ? { signal } : {})
      return { status: answer.status, text: await answer.text() }
    },
    waiting: async (count) => { await eventually(`${count} calls wait`, () => gateway.loads()[0]?.waiting === count) },
    async replica() {
      const held: ServerResponse[] = []
      const server = createServer((_req, res) => { held.push(res) })
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      assert.ok(address !== null && typeof address === 'object')
      return { port: address.port, held, answer: (count = held.length) => { for (const res of held.splice(0, count)) res.end('done') } }
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await provider.stop()
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}

const show = (world: World, replicas: readonly Replica[]): void => {
  world.provider.setEndpoints(NAME, replicas.map(({ port }, index) => ({ instance: `one-${index}`, host: '127.0.0.1', port })))
}

test('calls that wait are spread over the replicas that come up one after the other', async () => {
  await using world = await start(3, idle)
  const calls = Promise.all(Array.from({ length: 300 }, () => world.call()))
  await world.waiting(300)
  const replicas: Replica[] = []
  for (const expected of [[100], [100, 100], [100, 100, 100]]) {
    replicas.push(await world.replica())
    show(world, replicas)
    await eventually(`calls are spread ${expected}`, () => String(replicas.map(({ held }) => held.length)) === String(expected))
  }
  for (const one of replicas) one.answer()
  assert.deepEqual(new Set((await calls).map(({ status }) => status)), new Set([200]))
})

test('while a further replica is long in coming, each call that ends lets one more out', async () => {
  await using world = await start(2, idle)
  const calls = Promise.all(Array.from({ length: 20 }, () => world.call()))
  await world.waiting(20)
  const first = await world.replica()
  show(world, [first])
  await eventually('half of them are out', () => first.held.length === 10)
  first.answer(4)
  await eventually('as many again', () => first.held.length === 10 && world.gateway.loads()[0]?.waiting === 6)
  const answering = setInterval(() => first.answer(), 10)
  assert.deepEqual(new Set((await calls).map(({ status }) => status)), new Set([200]))
  clearInterval(answering)
})

test('a function is woken once for all who wait, and its reason answers all of them', async () => {
  let wakes = 0
  const { promise, reject } = Promise.withResolvers<void>()
  await using world = await start(0, { ...idle, wake: () => { wakes++; return promise } })
  const calls = Promise.all(Array.from({ length: 50 }, () => world.call()))
  await world.waiting(50)
  assert.equal(wakes, 1)
  reject(new BrambleError('UNAVAILABLE', 'it cannot start: no such file'))
  assert.deepEqual(new Set((await calls).map(({ status, text }) => `${status} ${text}`)), new Set(['503 it cannot start: no such file']))
  assert.equal(world.gateway.loads()[0]?.inFlight, 0)
})

test('callers who hang up are forgotten', async () => {
  await using world = await start(0, idle)
  const leaving = new AbortController()
  const calls = Array.from({ length: 30 }, () => world.call(leaving.signal))
  await world.waiting(30)
  leaving.abort()
  assert.deepEqual(new Set((await Promise.allSettled(calls)).map(({ status }) => status)), new Set(['rejected']))
  await world.waiting(0)
  await eventually('none is under way', () => world.gateway.loads()[0]?.inFlight === 0)
})

test('so many wait and no more', async () => {
  await using world = await start(0, idle, { maxWaiting: 10 })
  const leaving = new AbortController()
  const calls = Array.from({ length: 10 }, () => world.call(leaving.signal))
  await world.waiting(10)
  const { status, text } = await world.call()
  assert.equal(status, 429)
  assert.match(text, /10 calls wait/)
  leaving.abort()
  await Promise.allSettled(calls)
})

test('who has waited long enough is told what is known', async () => {
  await using world = await start(1, { ...idle, whyNotReady: async () => 'it needs a disk' }, { readyTimeoutMs: 300 })
  assert.deepEqual(await world.call(), { status: 503, text: `no endpoints available for ${NAME}: it needs a disk` })
})

test('a function that is removed while calls wait answers them 404', async () => {
  await using world = await start(0, idle)
  const call = world.call()
  await world.waiting(1)
  await world.provider.remove({ name: 'one', namespace: 'openfaas-fn' })
  assert.equal((await call).status, 404)
})

test('the time calls spend is counted as they spend it', async () => {
  await using world = await start(1, idle)
  const replica = await world.replica()
  show(world, [replica])
  const begunMs = performance.now()
  const call = world.call()
  await eventually('it is held', () => replica.held.length === 1)
  const [before] = world.gateway.loads()
  await eventually('time passes', () => (world.gateway.loads()[0]?.atMs ?? 0) >= (before?.atMs ?? 0) + 100)
  const [after] = world.gateway.loads()
  assert.ok(before && after)
  assert.ok(Math.abs((after.busyMs - before.busyMs) - (after.atMs - before.atMs)) < 0.01, 'one call under way all the time')
  replica.answer()
  await call
  await eventually('it has ended', () => world.gateway.loads()[0]?.inFlight === 0)
  const [done] = world.gateway.loads()
  assert.ok(done && done.busyMs >= 100 && done.busyMs <= performance.now() - begunMs, `${done?.busyMs} ms`)
  assert.equal(done.busyMs, world.gateway.loads()[0]?.busyMs)
})

/** The loop over the seeded provider and counts that the test makes up. */
import * as assert from 'node:assert/strict'
import { createLog } from '../../platform/lib/log.ts'
import type { FunctionLoad } from '../../platform/metrics/function-load.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { createScaler } from '../../platform/scaler/scaler.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'
import { eventually, test } from '../kit.ts'

const REF = { name: 'one', namespace: 'openfaas-fn' }
const SERVICE = 'one.openfaas-fn'

type World = AsyncDisposable & {
  readonly provider: SeededProvider
  /** What the provider was asked for. */
  readonly asked: number[]
  /** Calls a second that the counts show from now on. */
  perSecond: number
  refusal: Error | undefined
  backlog: number
  dueInMs: number
  rounds(): number
  lines(): string
}

async function start(labels: Readonly<Record<string, string>>, replicas = 1): Promise<World> {
  const scaleLabels = Object.fromEntries(Object.entries(labels).map(([name, value]) => [`com.openfaas.scale.${name}`, value]))
  const deployment = { service: 'one', image: 'test/one', labels: scaleLabels }
  const provider = createSeededProvider({ functions: [{ deployment, replicas, availableReplicas: replicas }] })
  await provider.start()
  const asked: number[] = []
  let rounds = 0
  let lines = ''
  let started = 0
  let countedMs = performance.now()
  const watched: Pick<Provider, 'watch' | 'get' | 'scale'> = {
    watch: provider.watch,
    get: provider.get,
    async scale(ref, wanted) {
      asked.push(wanted)
      if (world.refusal) throw world.refusal
      await provider.scale(ref, wanted)
      provider.setEndpoints(SERVICE, Array.from({ length: wanted }, (_, index) => ({ instance: `one-${index}`, host: '127.0.0.1', port: 1 })))
    },
  }
  const loads = (): FunctionLoad[] => {
    rounds++
    const nowMs = performance.now()
    started += world.perSecond * (nowMs - countedMs) / 1000
    countedMs = nowMs
    return [{ name: SERVICE, atMs: nowMs, started: Math.floor(started), finished: Math.floor(started), inFlight: 0, waiting: 0, busyMs: 0 }]
  }
  const scaler = createScaler({
    provider: watched, loads, backlog: () => world.backlog, dueInMs: () => world.dueInMs,
    log: createLog({ write: (line) => { lines += line } }),
  })
  const world: World = {
    provider, asked, perSecond: 0, refusal: undefined, backlog: 0, dueInMs: Infinity,
    rounds: () => rounds,
    lines: () => lines,
    async [Symbol.asyncDispose]() {
      await scaler.stop()
      await provider.stop()
    },
  }
  await scaler.start()
  return world
}

const looks = async (world: World, count: number): Promise<void> => {
  const before = world.rounds()
  await eventually(`${count} more looks`, () => world.rounds() >= before + count, 30_000)
}

test('a load brings the replicas it needs', async () => {
  await using world = await start({ type: 'rps', target: '10' })
  world.perSecond = 40
  await eventually('5 replicas are asked for', () => world.asked.at(-1) === 5, 30_000)
  assert.equal((await world.provider.get(REF))?.replicas, 5)
})

test('a provider that refuses is asked again later, not each time', async () => {
  await using world = await start({ type: 'rps', target: '10' })
  world.refusal = new Error('the API is down')
  world.perSecond = 200
  await eventually('it was asked', () => world.asked.length > 0, 30_000)
  const { length } = world.asked
  await looks(world, 1)
  assert.equal(world.asked.length, length)
  assert.match(world.lines(), /scaling failed.*the API is down/)
  world.refusal = undefined
  await eventually('it is done', async () => (await world.provider.get(REF))?.replicas === 20, 30_000)
})

test('a function is put to sleep, but not while calls are queued for it or a run is due', async () => {
  await using world = await start({ zero: 'true', 'zero-duration': '1s' }, 2)
  world.backlog = 1
  await looks(world, 4)
  assert.deepEqual(world.asked, [])
  world.dueInMs = 5_000
  world.backlog = 0
  await looks(world, 4)
  assert.deepEqual(world.asked, [])
  world.dueInMs = 3_600_000
  await eventually('it sleeps', () => world.asked.at(-1) === 0, 30_000)
  await looks(world, 3)
  assert.deepEqual(world.asked, [0])
})

test('labels that came another way and make no sense leave a function alone', async () => {
  await using world = await start({})
  const present = await world.provider.get(REF)
  assert.ok(present)
  await world.provider.apply({ ...present.spec, labels: { 'com.openfaas.scale.type': 'nonsense' } })
  world.perSecond = 1_000
  await eventually('it is told', () => world.lines().includes('its labels make no sense'), 60_000)
  assert.deepEqual(world.asked, [])
}, { timeoutMs: 90_000 })

test('a function that is removed is forgotten', async () => {
  await using world = await start({ type: 'rps', target: '10' })
  await world.provider.remove(REF)
  world.perSecond = 1_000
  await looks(world, 6)
  assert.deepEqual(world.asked, [])
})

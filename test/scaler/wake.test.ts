/** From zero to one over the seeded provider, whose replicas come when the test says so. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { createLog } from '../../platform/lib/log.ts'
import type { FunctionCondition } from '../../platform/openfaas/types.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { createWake, type Wake } from '../../platform/scaler/wake.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'
import { eventually, test } from '../kit.ts'

const REF = { name: 'one', namespace: 'openfaas-fn' }
const SERVICE = 'one.openfaas-fn'

type World = AsyncDisposable & {
  readonly provider: SeededProvider
  readonly wake: Wake
  /** How often the provider was asked to scale. */
  scalings(): number
  /** What the provider answers to a scaling, or says of the function. */
  trouble: { refusal?: Error; condition?: FunctionCondition }
  nowMs: number
}

async function start(labels: Readonly<Record<string, string>> = {}): Promise<World> {
  const deployment = { service: 'one', image: 'test/one', labels }
  const provider = createSeededProvider({ functions: [{ deployment, replicas: 0, availableReplicas: 0 }] })
  await provider.start()
  let scalings = 0
  const troubled: Pick<Provider, 'watch' | 'get' | 'scale'> = {
    watch: provider.watch,
    async get(ref) {
      const status = await provider.get(ref)
      const { condition } = world.trouble
      return status && condition && status.replicas > 0 ? { ...status, conditions: [condition] } : status
    },
    async scale(ref, replicas) {
      scalings++
      if (world.trouble.refusal) throw world.trouble.refusal
      await provider.scale(ref, replicas)
      provider.setEndpoints(SERVICE, [])
    },
  }
  const wake = createWake({ provider: troubled, log: createLog({ write: () => undefined }), nowMs: () => world.nowMs })
  const world: World = {
    provider, wake, trouble: {}, nowMs: 0,
    scalings: () => scalings,
    async [Symbol.asyncDispose]() {
      await wake.stop()
      await provider.stop()
    },
  }
  await wake.start()
  return world
}

const replicasOf = async ({ provider }: World): Promise<number | undefined> => (await provider.get(REF))?.replicas
const isReady = ({ provider }: World): void => provider.setEndpoints(SERVICE, [{ instance: 'one-1', host: '127.0.0.1', port: 1 }])

test('a function is scaled once however many ask, and all of them know when it is ready', async () => {
  await using world = await start()
  const all = Promise.all(Array.from({ length: 100 }, () => world.wake.wake(REF)))
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  isReady(world)
  await all
  assert.equal(world.scalings(), 1)
})

test('a function is woken to its minimum', async () => {
  await using world = await start({ 'com.openfaas.scale.min': '3' })
  await world.provider.scale(REF, 0)
  const woken = world.wake.wake(REF)
  await eventually('it was scaled', async () => await replicasOf(world) === 3)
  isReady(world)
  await woken
})

test('what the provider refuses is the answer, at once and without asking again, until a while has passed', async () => {
  await using world = await start()
  world.trouble.refusal = new BrambleError('UNAVAILABLE', 'the disk is full')
  const refused = { code: 'UNAVAILABLE', message: `${SERVICE} cannot be started: the disk is full` }
  await assert.rejects(world.wake.wake(REF), refused)
  for (let time = 0; time < 20; time++) await assert.rejects(world.wake.wake(REF), refused)
  assert.equal(world.scalings(), 1)
  world.nowMs += 1_001
  await assert.rejects(world.wake.wake(REF), refused)
  world.nowMs += 1_001
  await assert.rejects(world.wake.wake(REF), refused)
  assert.equal(world.scalings(), 2, 'each further failure is remembered longer')
  world.nowMs += 10_000
  world.trouble = {}
  const woken = world.wake.wake(REF)
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  isReady(world)
  await woken
})

test('a function that ends again and again is given up with the reason, but not before it had a chance', async () => {
  await using world = await start()
  world.trouble.condition = { reason: 'CrashLoop', message: 'it ended with code 7 (2 times in a row)' }
  let isOver = false
  const woken = world.wake.wake(REF).finally(() => { isOver = true })
  woken.catch(() => undefined)
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  world.nowMs += 1_000
  await eventually('it was looked at', async () => await world.wake.whyNotReady(REF) === 'it ended with code 7 (2 times in a row)')
  assert.equal(isOver, false)
  await eventually('it is given up', () => { world.nowMs += 500; return isOver })
  await assert.rejects(woken, { code: 'UNAVAILABLE', message: `${SERVICE} cannot be started: it ended with code 7 (2 times in a row)` })
})

test('a function that takes long is not watched for ever: who still waits asks again', async () => {
  await using world = await start()
  for (let time = 0; time < 2; time++) {
    let isOver = false
    const woken = world.wake.wake(REF).finally(() => { isOver = true })
    await eventually('it gives way', () => { world.nowMs += 1_000; return isOver })
    await woken
  }
  assert.equal(world.scalings(), 1)
})

test('a function that is put to sleep again while it is woken is no failure', async () => {
  await using world = await start()
  const woken = world.wake.wake(REF)
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  await world.provider.scale(REF, 0)
  await woken
})

test('a function that is removed while it is woken, or was never there, is not found', async () => {
  await using world = await start()
  const woken = assert.rejects(world.wake.wake(REF), { code: 'NOT_FOUND' })
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  await world.provider.remove(REF)
  await woken
  await assert.rejects(world.wake.wake({ name: 'nobody', namespace: 'openfaas-fn' }), { code: 'NOT_FOUND' })
})

test('a stop answers those who wait', async () => {
  await using world = await start()
  const woken = assert.rejects(world.wake.wake(REF), /the platform stops/)
  await eventually('it was scaled', async () => await replicasOf(world) === 1)
  await world.wake.stop()
  await woken
})

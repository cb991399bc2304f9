/** Calls through the gateway while everything below them changes: none may fail. */
import * as assert from 'node:assert/strict'
import { request } from 'node:http'
import { createTestGateway } from '../contract/replay.ts'
import { eventually, test } from '../kit.ts'
import { refOf, specOf } from '../provider/spec-of.ts'
import { openProviderWorld } from './provider-world.ts'

const CALLS_PER_SECOND = 40
/** Fewer than may wait for a replica at a time, for as long as that takes. */
const HELD_PER_SECOND = 3
/** Each call takes as long as a real one. */
const CALL_MS = 300

type Load = { readonly failures: string[]; count(): number; stop(): Promise<void> }

/** Calls at a fixed rate, whatever becomes of them. */
function startLoad(url: string, perSecond = CALLS_PER_SECOND): Load {
  const failures: string[] = []
  const pending = new Set<Promise<void>>()
  let count = 0
  const timer = setInterval(() => {
    const number = ++count
    const call = post(url).then((answer) => {
      if (!answer.startsWith('200 ')) failures.push(`call ${number}: ${answer}`)
    }, (error: unknown) => { failures.push(`call ${number}: ${String(error)}`) }).finally(() => pending.delete(call))
    pending.add(call)
  }, 1000 / perSecond)
  return {
    failures,
    count: () => count,
    async stop() {
      clearInterval(timer)
      await Promise.all(pending)
    },
  }
}

function post(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      response.on('end', () => resolve(`${response.statusCode} ${text}`)).on('error', reject)
    })
    call.on('error', reject).end('x')
  })
}

test('no call fails while a function is updated, scaled down and up', async () => {
  await using world = await openProviderWorld()
  const { cluster, provider, path } = world
  path.stop()
  const image = await world.makeImage('probe')
  const spec = specOf('probe', { image, labels: { 'com.openfaas.scale.min': '3' }, envVars: { version: 'one' } })
  const gateway = createTestGateway(provider, 'none', { readyTimeoutMs: 30_000, upstreamTimeoutMs: 30_000 })
  await gateway.start()
  try {
    await provider.apply(spec)
    const url = `${gateway.url()}/function/probe/version?delay_ms=${CALL_MS}`
    const ready = (count: number): Promise<boolean> => eventually(`${count} replicas`, async () => (await provider.get(refOf('probe')))?.availableReplicas === count, 120_000)
    const answers = (version: string): Promise<boolean> => eventually(`version ${version}`, async () => await post(url) === `200 ${version}`, 120_000)
    await ready(3)
    const load = startLoad(url)
    for (const version of ['two', 'three']) {
      await provider.apply({ ...spec, envVars: { version } })
      await answers(version)
      await ready(3)
    }
    await provider.apply({ ...spec, labels: {}, envVars: { version: 'three' } })
    for (const count of [1, 3, 1]) {
      await provider.scale(refOf('probe'), count)
      await ready(count)
      await new Promise((resolve) => setTimeout(resolve, 3_000))
    }
    await load.stop()
    console.log(`${load.count()} calls, ${load.failures.length} failed`)
    assert.deepEqual(load.failures, [])
    assert.ok(cluster)
  } finally {
    await gateway.stop()
  }
}, { timeoutMs: 600_000 })

test('no call fails while a function with a volume is handed over', async () => {
  await using world = await openProviderWorld()
  const { provider, path } = world
  path.stop()
  const spec = specOf('probe', { image: await world.makeImage('probe'), annotations: { 'bramble/volume': '/data' }, envVars: { version: 'one' } })
  const gateway = createTestGateway(provider, 'none', { readyTimeoutMs: 60_000, upstreamTimeoutMs: 30_000 })
  await gateway.start()
  try {
    await provider.apply(spec)
    const url = `${gateway.url()}/function/probe/version?delay_ms=${CALL_MS}`
    await eventually('it answers', async () => await post(url) === '200 one', 120_000)
    const load = startLoad(url, HELD_PER_SECOND)
    const beganMs = Date.now()
    await provider.apply({ ...spec, envVars: { version: 'two' } })
    await eventually('the second version', async () => await post(url) === '200 two', 120_000)
    const heldMs = Date.now() - beganMs
    await load.stop()
    console.log(`${load.count()} calls, ${load.failures.length} failed; handed over after ${heldMs} ms`)
    assert.deepEqual(load.failures, [])
  } finally {
    await gateway.stop()
  }
}, { timeoutMs: 600_000 })

/** Scale to zero and back on the cluster: each call finds the function asleep, wakes it, and is answered. */
import * as assert from 'node:assert/strict'
import { eventually, test } from '../kit.ts'
import { startCluster } from './cluster.ts'
import { deployPlatform } from './platform-on-cluster.ts'
import { pushProbe } from './probe-image.ts'
import { clean } from './provider-world.ts'

/** `trickle_rounds=60` is five minutes. */
const ROUNDS = Number(process.env['trickle_rounds'] ?? 5)
const CALLERS = 50
const PATIENCE_MS = 120_000

test('a function sleeps between calls and each call wakes it; callers who come together are all answered', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  await using platform = await deployPlatform(cluster)
  const labels = { 'com.openfaas.scale.zero': 'true', 'com.openfaas.scale.zero-duration': '2s', 'com.openfaas.scale.max': '3' }
  const applied = await platform.send('/system/functions', 'POST', { service: 'sleepy', image: await pushProbe(cluster, 'sleepy'), labels })
  assert.equal(applied.status, 202, await applied.text())
  const asleep = (): Promise<unknown> => eventually('it sleeps', async () => {
    const status: { replicas?: number } = JSON.parse(await (await platform.send('/system/function/sleepy', 'GET')).text())
    return (status.replicas ?? 0) === 0
  }, PATIENCE_MS)
  const call = async (): Promise<string> => {
    const answer = await fetch(`${platform.url}/function/sleepy/version`)
    return `${answer.status} ${await answer.text()}`
  }

  const tookMs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await asleep()
    const beganMs = performance.now()
    assert.equal(await call(), '200 1')
    tookMs.push(Math.round(performance.now() - beganMs))
  }
  const sorted = tookMs.toSorted((a, b) => a - b)
  console.log(`from zero, ${ROUNDS} calls: p50 ${sorted[Math.floor(ROUNDS / 2)]} ms, longest ${sorted.at(-1)} ms`)

  await asleep()
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: CALLERS }, call))), new Set(['200 1']))
  assert.equal((await platform.send('/system/functions', 'DELETE', { functionName: 'sleepy' })).status, 202)
}, { timeoutMs: 900_000 })

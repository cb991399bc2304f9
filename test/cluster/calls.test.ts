/**
 * Calls go on whatever happens to the cluster: new versions, other numbers of replicas, another platform pod, a control
 * process that is killed, a board out of reach, no API server. 100 calls of 300 ms a second; `calls_seconds` makes each
 * part longer.
 */
import * as assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually, test } from '../kit.ts'
import { startCluster } from './cluster.ts'
import { deployPlatform, rolledOut } from './platform-on-cluster.ts'
import { pushProbe } from './probe-image.ts'
import { clean } from './provider-world.ts'
import { startLoad, type Failure, type LoadResult } from './steady-load.ts'

const PER_SECOND = 100
const REPLICAS = 3
/** How long a board is out of reach, and the API server away. */
const AWAY_MS = Number(process.env['calls_seconds'] ?? 12) * 1000
/** By then no call may go to a board whose cable is pulled. */
const NOTICED_MS = 2_000
const PATIENCE_MS = 180_000

test('calls go on through updates, scaling, a new platform pod, a killed control process, a lost board and a lost API', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  await using platform = await deployPlatform(cluster, { replicas: 2 })
  const image = await pushProbe(cluster, 'busy')
  const deploy = async (version: string): Promise<void> => {
    const body = { service: 'busy', image, labels: {}, envVars: { version } }
    const response = await platform.send('/system/functions', version === '1' ? 'POST' : 'PUT', body)
    assert.equal(response.status, 202, await response.text())
  }
  const ready = (replicas: number): Promise<unknown> => eventually(`${replicas} replicas`, async () => {
    const status: unknown = await (await platform.send('/system/function/busy', 'GET')).json()
    return typeof status === 'object' && status !== null && 'availableReplicas' in status && status.availableReplicas === replicas
  }, PATIENCE_MS)
  const scale = async (replicas: number): Promise<void> => {
    assert.equal((await platform.send('/system/scale-function/busy', 'POST', { serviceName: 'busy', replicas })).status, 202)
    await ready(replicas)
  }
  const url = `${platform.url}/function/busy/version?delay_ms=300`
  const underLoad = async (name: string, what: () => Promise<void>): Promise<LoadResult> => {
    const load = startLoad(url, { perSecond: PER_SECOND })
    await pause(1_000)
    await what()
    await pause(1_000)
    const result = await load.stop()
    console.log(`${name}: ${result.calls} calls, ${result.failures.length} failed, p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms`)
    return result
  }

  await deploy('1')
  await ready(1)
  await scale(REPLICAS)

  const updates = await underLoad('three updates', async () => {
    for (const version of ['2', '3', '4']) {
      await deploy(version)
      await eventually(`version ${version} alone answers`, async () => {
        const answers = await Promise.all(Array.from({ length: 10 }, async () => (await fetch(`${platform.url}/function/busy/version`)).text()))
        return answers.every((answer) => answer === version)
      }, PATIENCE_MS)
    }
  })
  assert.deepEqual(summary(updates.failures), {})

  const scaling = await underLoad('scaled 3 -> 1 -> 3', async () => {
    await scale(1)
    await scale(REPLICAS)
  })
  assert.deepEqual(summary(scaling.failures), {})

  const killed = await underLoad('control process killed', async () => {
    // In both pods; the node has process numbers of its own.
    await cluster.node('pi4').run('pkill', '-KILL', '-f', '/home/bramble/index.mjs')
    await eventually('the API answers again', async () => (await platform.send('/system/functions', 'GET').catch(() => undefined))?.status === 200, PATIENCE_MS)
  })
  assert.deepEqual(summary(killed.failures), {})

  // Connections to the pod that goes are closed after their last answer; kube-proxy sends new ones to the other.
  const replaced = await underLoad('platform pods replaced', async () => {
    await cluster.kubectl('-n', 'openfaas', 'rollout', 'restart', 'deployment', 'gateway')
    await rolledOut(cluster)
  })
  assert.deepEqual(summary(replaced.failures), {})

  const withoutApi = await underLoad('no API server', async () => {
    await cluster.api.stop()
    await pause(AWAY_MS)
    await cluster.api.start()
  })
  assert.deepEqual(summary(withoutApi.failures), {})
  await ready(REPLICAS)

  let cutMs = 0
  const cut = await underLoad('zero-1 out of reach', async () => {
    cutMs = performance.now()
    await cluster.node('zero-1').cut()
    await pause(AWAY_MS)
    await cluster.node('zero-1').restore()
  })
  const late = cut.failures.filter(({ startedMs }) => startedMs > cutMs + NOTICED_MS)
  console.log(`of those ${cut.failures.length - late.length} had been sent to the lost board`)
  assert.deepEqual(summary(late), {})

  const stalled = await underLoad('a stall of 2 s', async () => {
    await cluster.node('zero-1').delay(2_000)
    await pause(2_000)
    await cluster.node('zero-1').delay(0)
  })
  assert.deepEqual(summary(stalled.failures), {})
  await platform.send('/system/functions', 'DELETE', { functionName: 'busy' })
}, { timeoutMs: 1_200_000 })

function summary(failures: readonly Failure[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { what } of failures) counts[what] = (counts[what] ?? 0) + 1
  return counts
}

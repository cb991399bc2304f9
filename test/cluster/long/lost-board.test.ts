/** A board that dies under load, and comes back: calls go on, replicas are replaced, and spread over both boards again. */
import * as assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, textAt, textsAt } from '../../../platform/provider/kubernetes/json.ts'
import { eventually, test } from '../../kit.ts'
import { startCluster } from '../cluster.ts'
import { deployPlatform } from '../platform-on-cluster.ts'
import { pushProbe } from '../probe-image.ts'
import { clean } from '../provider-world.ts'
import { startLoad } from '../steady-load.ts'

const PER_SECOND = 40
const REPLICAS = 4
/** By then no call may go to a board without power. */
const NOTICED_MS = 2_000
/** Kubernetes gives a silent board up after 50 s, its pods after 20 more; new ones start then, on a busy machine. */
const PATIENCE_MS = 300_000

test('a board dies under load and comes back: no call fails but those on it, and its replicas are back in the end', async () => {
  await using cluster = await startCluster()
  await clean(cluster)
  await using platform = await deployPlatform(cluster)
  await cluster.kubectl('cordon', 'pi4')
  const lost = cluster.node('zero-2')
  try {
    const body = { service: 'busy', image: await pushProbe(cluster, 'busy'), labels: {} }
    const response = await platform.send('/system/functions', 'POST', body)
    assert.equal(response.status, 202, await response.text())
    assert.equal((await platform.send('/system/scale-function/busy', 'POST', { serviceName: 'busy', replicas: REPLICAS })).status, 202)
    const boards = async (): Promise<string> => {
      const pods = await cluster.get('pods', '-n', 'openfaas-fn')
      return listAt(pods, 'items')
        .filter((pod) => textsAt(pod, 'metadata', 'labels')['faas_function'] === 'busy' && textAt(pod, 'metadata', 'deletionTimestamp') === undefined &&
          listAt(pod, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True'))
        .map((pod) => textAt(pod, 'spec', 'nodeName') ?? '').sort().join(' ')
    }
    const untilBoards = (wanted: string): Promise<unknown> => eventually(`replicas are on ${wanted}`, async () => await boards() === wanted, PATIENCE_MS)
      .catch(async (error: unknown) => { throw new Error(await cluster.kubectl('-n', 'openfaas-fn', 'get', 'pods', '-o', 'wide'), { cause: error }) })
    /** The metric that the monitor's rule node-lost looks at. */
    const untilUp = (wanted: 0 | 1): Promise<unknown> => eventually(`bramble_node_up is ${wanted}`, async () =>
      (await (await platform.send('/system/metrics', 'GET')).text()).includes(`bramble_node_up{node="${lost.name}"} ${wanted}\n`), PATIENCE_MS)
    await untilUp(1)
    const both = 'zero-1 zero-1 zero-2 zero-2'
    await untilBoards(both)

    await using load = startLoad(`${platform.url}/function/busy/version?delay_ms=300`, { perSecond: PER_SECOND })
    await pause(1_000)
    const lostMs = performance.now()
    await lost.powerOff()
    await untilBoards('zero-1 zero-1 zero-1 zero-1')
    const replacedMs = performance.now()
    await untilUp(0)
    await lost.start()
    const startedMs = performance.now()
    await untilBoards(both)
    const spreadMs = performance.now()
    await untilUp(1)
    await pause(1_000)
    const { calls, failures, p50Ms, p99Ms } = await load.stop()
    console.log(`${calls} calls, ${failures.length} failed, p50 ${p50Ms} ms, p99 ${p99Ms} ms; replaced after ${seconds(replacedMs - lostMs)} s, spread again ${seconds(spreadMs - startedMs)} s after it was back`)
    const late = failures.filter((one) => one.startedMs < lostMs - 1_000 || one.startedMs > lostMs + NOTICED_MS)
    assert.deepEqual(late.map((one) => ({ ...one, startedMs: one.startedMs - lostMs })), [])
  } finally {
    await lost.start().catch(() => undefined)
    await cluster.kubectl('uncordon', 'pi4')
  }
}, { timeoutMs: 900_000 })

function seconds(ms: number): string {
  return (ms / 1000).toFixed(0)
}

/**
 * How many functions a Zero 2W takes, and what becomes of more. Those that ask for the memory they need are refused by
 * the scheduler; those that ask for less by the limit on pods. The node has to stay Ready, and whoever runs to answer.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, textAt } from '../../../platform/provider/kubernetes/json.ts'
import { paths } from '../../../platform/provider/kubernetes/paths.ts'
import { show, showTable } from '../../bench/statistics.ts'
import { eventually } from '../../kit.ts'
import { FUNCTIONS, isReady, loadLine, openScene, PATIENCE_MS, type Measure, type Scene } from './measure.ts'

/** A Zero 2W's 416 MiB less its own system, and what a K3s agent is larger than the harness's daemons. */
const MEMORY_MIB = 296
/** What the node's daemons hold: the scheduler may not give it away. */
const RESERVED_MIB = 104
/** Eviction comes too late: 20 that asked for 4 MiB each had a node thrash and go NotReady before one was evicted. */
const MAX_PODS = 6
/** The daemons collect their garbage sooner: 15 MiB less, for a little CPU. */
const NODE_GO_ENV = 'GOGC=30'
const WANTED = 20
const WATCH_MS = 60_000
const LOOK_MS = 2_000
const MOST = MAX_PODS
const STEP_LIMIT_MS = 60_000
const CALLS = 50
const CALL_LIMIT_MS = 20_000

export const fullWorker: Measure = async (print) => {
  await using scene = await openScene({
    workers: 1, zeroMemMib: MEMORY_MIB, zeroReservedMib: RESERVED_MIB, zeroMaxPods: MAX_PODS, nodeGoEnv: NODE_GO_ENV,
  })
  // The one worker takes functions alone.
  await scene.cluster.kubectl('taint', 'node', 'pi4', 'node-role.kubernetes.io/control-plane=:NoSchedule')
  const rows: string[][] = [['nothing', '0', '0', '0', memoryOf(scene), 'yes', '']]
  rows.push(await overfill(scene, `${WANTED} of hello, 32 MiB asked for each`, {}))
  rows.push(await overfill(scene, `${WANTED} of hello, 4 MiB asked for each`, { requests: { memory: '4Mi' } }))
  print(showTable(
    `one worker of ${MEMORY_MIB} MiB, ${RESERVED_MIB} reserved, at most ${MAX_PODS} pods`,
    ['', 'ready', 'refused', 'evicted', 'working set, MiB', 'node always Ready', 'calls answered'], rows))
  await oneMoreEachTime(scene, print)
  print(loadLine())
}

/** Until one does not become ready in time: that many fit. */
async function oneMoreEachTime(scene: Scene, print: (text: string) => void): Promise<void> {
  const rows: string[][] = []
  await scene.deploy('hello', { requests: { memory: '4Mi' } })
  for (let count = 1; count <= MOST; count++) {
    await scene.scale('hello', count)
    const beganMs = Date.now()
    const isThere = await eventually('the next is ready', async () => (await scene.pods()).filter(isReady).length === count, STEP_LIMIT_MS).catch(() => false)
    const tookMs = Date.now() - beganMs
    const faults = faultsOf(scene)
    const tooks: number[] = []
    const fromMs = Date.now()
    for (let index = 0; index < CALLS; index++) {
      const startMs = performance.now()
      const status = await statusOf(scene)
      tooks.push(status === 200 ? performance.now() - startMs : NaN)
    }
    const faultsPerSecond = (faultsOf(scene) - faults) / (Date.now() - fromMs) * 1000
    const good = tooks.filter((ms) => !Number.isNaN(ms)).sort((a, b) => a - b)
    rows.push([
      String(count), isThere ? show(tookMs / 1000, 1) : `not within ${STEP_LIMIT_MS / 1000}`, show(good[Math.floor(good.length / 2)] ?? NaN, 1),
      show(good.at(-1) ?? NaN), `${good.length} of ${CALLS}`, show(faultsPerSecond), memoryOf(scene),
    ])
    if (!isThere) break
  }
  print(showTable(`one more at a time on a worker of ${MEMORY_MIB} MiB`, ['replicas', 'ready after s', 'call p50 ms', 'max', 'answered', 'page reads/s', 'working set, MiB'], rows))
  await empty(scene)
}

function faultsOf({ cluster }: Scene): number {
  return Number(/^total_pgmajfault (\d+)$/m.exec(readFileSync(`/sys/fs/cgroup/memory/bramble-cluster-${cluster.number}/zero-1/memory.stat`, 'utf8'))?.[1])
}

async function statusOf({ platform }: Scene): Promise<number> {
  const answer = await fetch(`${platform.url}/function/hello`, { signal: AbortSignal.timeout(CALL_LIMIT_MS), headers: { connection: 'close' } }).catch(() => undefined)
  await answer?.text()
  return answer?.status ?? 0
}

async function empty(scene: Scene): Promise<void> {
  await scene.platform.send('/system/functions', 'DELETE', { functionName: 'hello' })
  await eventually('its pods are gone', async () => {
    for (const pod of await scene.pods()) await scene.client.remove(paths.pods(FUNCTIONS, textAt(pod, 'metadata', 'name') ?? ''), { graceSeconds: 0 }).catch(() => undefined)
    return (await scene.pods()).length === 0
  }, PATIENCE_MS)
}

async function overfill(scene: Scene, name: string, more: object): Promise<string[]> {
  await scene.deploy('hello', more)
  await scene.scale('hello', WANTED)
  const until = Date.now() + WATCH_MS
  let isAlwaysReady = true
  const evicted = new Set<string>()
  let pods: readonly unknown[] = []
  while (Date.now() < until) {
    pods = await scene.pods()
    for (const pod of pods) if (textAt(pod, 'status', 'reason') === 'Evicted') evicted.add(textAt(pod, 'metadata', 'name') ?? '')
    isAlwaysReady &&= isReady(await scene.cluster.get('node', 'zero-1'))
    await pause(LOOK_MS)
  }
  const refused = pods.filter((pod) => listAt(pod, 'status', 'conditions')
    .some((one) => textAt(one, 'reason') === 'Unschedulable' && /Insufficient memory|Too many pods/.test(textAt(one, 'message') ?? '')))
  let answered = 0
  for (let index = 0; index < CALLS; index++) {
    if (await statusOf(scene) === 200) answered++
  }
  const row = [
    name, String(pods.filter(isReady).length), String(refused.length), String(evicted.size), memoryOf(scene),
    isAlwaysReady ? 'yes' : 'no', `${answered} of ${CALLS}`,
  ]
  await empty(scene)
  return row
}

/** As the kubelet counts it: all that is charged to the node but what the kernel could drop first. */
function memoryOf({ cluster }: Scene): string {
  const folder = `/sys/fs/cgroup/memory/bramble-cluster-${cluster.number}/zero-1`
  const inactive = /^total_inactive_file (\d+)$/m.exec(readFileSync(`${folder}/memory.stat`, 'utf8'))?.[1]
  return ((Number(readFileSync(`${folder}/memory.usage_in_bytes`, 'utf8')) - Number(inactive)) / 2 ** 20).toFixed(0)
}

/**
 * 1,000 functions with 2,000 replicas that exist in the API alone: what the platform holds, how soon it knows them all
 * after a start, and whether a call costs more for it. One function is real.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, objectAt, textAt, type Json } from '../../../platform/provider/kubernetes/json.ts'
import { paths } from '../../../platform/provider/kubernetes/paths.ts'
import { runLoad } from '../../bench/server.ts'
import { megabytes, show, showSpread, showTable, spreadOf } from '../../bench/statistics.ts'
import { eventually } from '../../kit.ts'
import { rolledOut } from '../platform-on-cluster.ts'
import { FUNCTIONS, isReady, loadLine, openScene, PATIENCE_MS, uidOf, type Measure, type Scene } from './measure.ts'
import { heldBy, processesOf, startedAtMs } from './pod-processes.ts'

const COUNT = 1_000
const REPLICAS = 2
/** Requests to the API under way at once. */
const WRITERS = 16
const PATTERN = 'pattern-of-many'
const LOAD = { connections: 20, seconds: 4, warmupSeconds: 1 }
const LOAD_ROUNDS = 5
/** Garbage of the filling is collected by then. */
const REST_MS = 30_000
const RESTARTS = 3

type Platform = { readonly control: number; readonly dataPaths: readonly number[] }

export const manyFunctions: Measure = async (print) => {
  await using scene = await openScene({ workers: 1 })
  await scene.deploy('hello', { constraints: ['kubernetes.io/hostname=zero-1'] })
  await eventually('hello is ready', async () => (await scene.pods()).some(isReady), PATIENCE_MS)
  const rows: string[][] = []
  const note = async (when: string): Promise<void> => {
    const { control, dataPaths } = await platformOf(scene)
    const held = [control, ...dataPaths].map((pid) => heldBy(pid).pssBytes)
    const own = [control, ...dataPaths].map((pid) => megabytes(heldBy(pid).privateBytes)).join(' + ')
    rows.push([when, ...[held[0] ?? NaN, held[1] ?? NaN, (held[0] ?? NaN) + (held[1] ?? NaN)].map(megabytes), held.slice(2).map(megabytes).join(', ') || '-', own])
  }
  await note('one function')
  const before = await costOf(scene)
  await note('after load')

  const fillMs = await fill(scene)
  await untilKnown(scene)
  await pause(REST_MS)
  await note(`${COUNT} functions, ${COUNT * REPLICAS} endpoints`)
  const after = await costOf(scene)
  await note('after load')

  const fills: number[] = []
  for (let round = 0; round < RESTARTS; round++) {
    const { control } = await platformOf(scene)
    process.kill(control, 'SIGKILL')
    const next = await eventually('another control process is there', async () => {
      const found = await platformOf(scene).catch(() => undefined)
      return found !== undefined && found.control !== control && found
    }, PATIENCE_MS)
    const knownMs = await untilKnown(scene)
    fills.push(knownMs - startedAtMs(next.control))
  }
  await pause(REST_MS)
  await note('control process started again')

  await scene.cluster.kubectl('-n', 'openfaas', 'set', 'env', 'deployment/gateway', '-c', 'gateway', 'gateway_processes=2')
  await rolledOut(scene.cluster)
  await eventually('the pod before is gone', async () => (await gatewayPods(scene)).length === 1, PATIENCE_MS)
  await untilKnown(scene)
  await pause(REST_MS)
  await note('two data-path processes')

  print(showTable('PSS of the platform in MB', ['', 'control', 'data path', 'together', 'further data path', 'private'], rows))
  print(`goals: together <= 130, each further data path <= 40\n`)
  print(`objects written in ${show(fillMs / 1000, 1)} s; a control process knows all ${show(spreadOf(fills).median)} ms after its start (${fills.map((ms) => show(ms)).join(', ')})\n`)
  print(`CPU of the data path per call: ${showSpread(spreadOf(before), 1)} us before, ${showSpread(spreadOf(after), 1)} us with ${COUNT} functions\n`)
  print(loadLine())
}

/** Objects as the platform and Kubernetes made them for one function, under other names. */
async function fill(scene: Scene): Promise<number> {
  const { client } = scene
  await scene.deploy(PATTERN, { constraints: ['bramble/nowhere=true'], labels: { 'com.openfaas.scale.min': String(REPLICAS) } })
  const pod = await eventually('a pod of the pattern', async () => (await scene.pods()).find((one) => textAt(one, 'metadata', 'labels', 'faas_function') === PATTERN), PATIENCE_MS)
  const deployment = await client.get(paths.deployments(FUNCTIONS, PATTERN))
  const began = Date.now()
  let next = 0
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    for (let index = next++; index < COUNT; index = next++) {
      const name = `many-${index + 1}`
      // Paused: its controller makes no pods.
      await client.create(paths.deployments(FUNCTIONS), renamed({ ...bare(deployment, name), spec: { ...objectAt(deployment, 'spec'), paused: true } }, name))
      for (let replica = 0; replica < REPLICAS; replica++) await makePod(scene, pod, name, `${name}-${replica}`, index * REPLICAS + replica)
    }
  }))
  return Date.now() - began
}

async function makePod({ client }: Scene, pattern: unknown, functionName: string, name: string, number: number): Promise<void> {
  // Without a scheduler no kubelet sees it, and nobody minds what its status says.
  const spec = { ...objectAt(pattern, 'spec'), schedulerName: 'nobody', topologySpreadConstraints: [] }
  await client.create(paths.pods(FUNCTIONS), renamed({ ...bare(pattern, name), spec }, functionName))
  // Addresses for documentation: nothing answers there, and nothing is sent.
  const ip = `198.18.${number >> 8}.${number & 255}`
  const now = new Date().toISOString().replace(/\.\d+/, '')
  await client.merge(`${paths.pods(FUNCTIONS, name)}/status`, {
    status: {
      phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: now,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True', lastTransitionTime: now })),
      containerStatuses: [{
        name: functionName, ready: true, started: true, restartCount: 0, image: 'x', imageID: 'x', state: { running: { startedAt: now } },
      }],
    },
  })
}

/** What a person would write: without the server's own fields. */
function bare(object: unknown, name: string): Json {
  const { labels, annotations } = objectAt(object, 'metadata')
  return { ...objectAt(object), metadata: { name, namespace: FUNCTIONS, labels, annotations }, status: undefined }
}

function renamed(object: Json, name: string): unknown {
  return JSON.parse(JSON.stringify(object).replaceAll(PATTERN, name))
}

/** When all were in the list, with their replicas. */
async function untilKnown({ platform }: Scene): Promise<number> {
  return eventually(`${COUNT} functions are known`, async () => {
    const response = await platform.send('/system/functions', 'GET').catch(() => undefined)
    if (response?.status !== 200) return false
    const all: unknown = await response.json()
    const known = listAt({ all }, 'all').filter((one) => objectAt({ one }, 'one')['availableReplicas'] === REPLICAS)
    return known.length === COUNT && Date.now()
  }, PATIENCE_MS)
}

async function costOf(scene: Scene): Promise<number[]> {
  const { dataPaths } = await platformOf(scene)
  const costs: number[] = []
  for (let round = 0; round < LOAD_ROUNDS; round++) {
    const report = await runLoad({ url: `${scene.platform.url}/function/hello`, ...LOAD, pids: dataPaths })
    if (report.failed > 0) throw new Error(`${report.failed} calls failed: ${JSON.stringify(report.failures)}`)
    costs.push((report.cpuUs[String(dataPaths[0])] ?? NaN) / report.good)
  }
  return costs
}

async function gatewayPods({ client }: Scene): Promise<readonly unknown[]> {
  return listAt(await client.get(paths.pods('openfaas'), { labelSelector: 'app=gateway' }), 'items')
}

async function platformOf(scene: Scene): Promise<Platform> {
  const [pod] = await gatewayPods(scene)
  const all = processesOf(uidOf(pod)).sort((a, b) => a.pid - b.pid)
  const control = all.find(({ command }) => command.includes('/home/bramble/index.mjs'))
  const dataPaths = all.filter(({ command }) => command.includes('data-path.mjs'))
  if (control === undefined || dataPaths.length === 0) throw new Error('the platform has not started')
  return { control: control.pid, dataPaths: dataPaths.map(({ pid }) => pid) }
}

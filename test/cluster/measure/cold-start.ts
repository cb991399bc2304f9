/**
 * From no replica to the first answer through the gateway, and where the time goes. "Serves" is what the function's own
 * log says: Kubernetes alone, without us, could not answer sooner.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { paths } from '../../../platform/provider/kubernetes/paths.ts'
import { showSpread, showTable, spreadOf } from '../../bench/statistics.ts'
import { eventually } from '../../kit.ts'
import type { Cluster, ClusterOptions } from '../cluster.ts'
import { FUNCTIONS, loadLine, openScene, PATIENCE_MS, type Measure, type Scene } from './measure.ts'
import { followPods, servingMs, type PodHistories, type PodHistory } from './pod-history.ts'
import { findPods, startedAtMs } from './pod-processes.ts'

/** Ten functions at once on each: more would be a measure of thrashing. */
const WORKERS = 3
const AT_ONCE = 30
const MAX_TRIES = 20
type Rounds = { readonly present: number; readonly cold: number; readonly together: number }
const ROUNDS: Rounds = { present: 50, cold: 20, together: 2 }
/** Each takes three times as long. */
const SLOW_ROUNDS: Rounds = { present: 10, cold: 5, together: 1 }
/** Files that are larger than this are programs: Node, the kubelet, containerd, runc. */
const PROGRAM_BYTES = 2 ** 20

const stages = ['call to pod', 'scheduling', 'sandbox', 'container', 'Node', 'probe and answer'] as const
type Start = { readonly stages: readonly number[]; readonly fromCallMs: number; readonly fromPodMs: number; readonly servesMs: number; readonly addressMs: number }

export const coldStart: Measure = async (print) => {
  const wanted = process.env['cold_start_cases']?.split(',')
  const isWanted = (name: string): boolean => wanted?.includes(name) ?? true
  if (isWanted('full')) await onCluster({ workers: WORKERS }, 'whole cores', ROUNDS, print)
  if (isWanted('slow')) await onCluster({ workers: WORKERS, zeroCpuPercent: 40 }, 'each worker 40 % of a core', SLOW_ROUNDS, print)
}

async function onCluster(options: ClusterOptions, title: string, rounds: Rounds, print: (text: string) => void): Promise<void> {
  await using scene = await openScene(options)
  // Functions are for the workers.
  await scene.cluster.kubectl('taint', 'node', 'pi4', 'node-role.kubernetes.io/control-plane=:NoSchedule', '--overwrite')
  using histories = await followPods(scene)
  const names = Array.from({ length: AT_ONCE }, (_, index) => `hello-${index + 1}`)
  for (const name of names) await scene.deploy(name)
  // The image is on all workers, and all work has been done once.
  for (const name of names) await answerOf(scene, name)
  await putToSleep(scene, histories, names)
  const show = (name: string, starts: readonly Start[]): void => print(tableOf(`a call that finds no replica, ${title}, ${name}`, starts) + loadLine())

  const first = names.slice(0, 1)
  const single = async (count: number, before: () => void): Promise<Start[]> => {
    const starts: Start[] = []
    for (let round = 0; round < count; round++) {
      before()
      starts.push(...await startAll(scene, histories, first))
      await putToSleep(scene, histories, first)
    }
    return starts
  }
  show('image present', await single(rounds.present, () => {}))
  show('page cache cold', await single(rounds.cold, () => dropPageCache(scene.cluster)))
  const together: Start[] = []
  for (let round = 0; round < rounds.together; round++) {
    together.push(...await startAll(scene, histories, names))
    await putToSleep(scene, histories, names)
  }
  show(`${AT_ONCE} at once`, together)
}

async function startAll(scene: Scene, histories: PodHistories, names: readonly string[]): Promise<Start[]> {
  const known = new Set(histories.all.keys())
  const began = names.map((name) => ({ name, calledMs: Date.now(), answered: answerOf(scene, name) }))
  const answered = new Map<string, { calledMs: number; answeredMs: number }>()
  for (const { name, calledMs, answered: answer } of began) answered.set(name, { calledMs, answeredMs: await answer })
  const pods = [...histories.all.values()].filter((pod) => !known.has(pod.uid) && answered.has(pod.functionName))
  // A replica that says itself that it serves has answered before Kubernetes knows where it is.
  await eventually('their addresses are known', () => pods.every(({ addressMs }) => addressMs !== undefined), PATIENCE_MS)
  const processes = findPods(pods.map(({ uid }) => uid))
  return pods.flatMap((pod) => {
    const times = answered.get(pod.functionName)
    const found = processes.get(pod.uid)
    const serves = servingMs(scene.cluster, pod)
    if (times === undefined || found === undefined || serves === undefined || pod.scheduledMs === undefined || pod.addressMs === undefined) return []
    const moments = [times.calledMs, pod.createdMs, pod.scheduledMs, startedAtMs(found.pause), startedAtMs(found.program), serves, times.answeredMs]
    return [{
      stages: moments.slice(1).map((ms, index) => ms - (moments[index] ?? NaN)),
      fromCallMs: times.answeredMs - times.calledMs, fromPodMs: times.answeredMs - pod.createdMs, servesMs: serves - pod.createdMs, addressMs: pod.addressMs - pod.createdMs,
    }]
  })
}

/** When the first byte was there; a connection of its own. Who gave up waiting (503, `ready_timeout`) is asked again. */
async function answerOf(scene: Scene, name: string): Promise<number> {
  for (let tries = 1; ; tries++) {
    const { status, answeredMs } = await ask(scene, name)
    if (status === 200) return answeredMs
    if (tries === MAX_TRIES) throw new Error(`${name} answered ${status}`)
  }
}

function ask({ platform }: Scene, name: string): Promise<{ status: number | undefined; answeredMs: number }> {
  return new Promise((resolve, reject) => {
    get(`${platform.url}/function/${name}`, { agent: false, timeout: PATIENCE_MS }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, answeredMs: Date.now() })
    }).on('error', reject)
  })
}

/** Scaled to nothing; what would linger for calls that nobody makes is ended. */
async function putToSleep(scene: Scene, { all }: PodHistories, names: readonly string[]): Promise<void> {
  const mine = (): PodHistory[] => [...all.values()].filter((pod) => !pod.isGone && names.includes(pod.functionName))
  for (const name of names) await scene.scale(name, 0)
  // Not before its controller knows, which would make another one.
  await eventually('all are told to go', async () => (await scene.pods()).every((pod) => Object.hasOwn(Object(Object(pod).metadata), 'deletionTimestamp')), PATIENCE_MS)
  for (const { name } of mine()) await scene.client.remove(paths.pods(FUNCTIONS, name), { graceSeconds: 0 }).catch(() => undefined)
  await eventually('they are gone, processes too', () => mine().length === 0 && findPods([...all.keys()]).size === 0, PATIENCE_MS)
}

/** Of the workers' images and programs; what runs keeps its pages. */
function dropPageCache({ number, nodes }: Cluster): void {
  for (const node of nodes.filter((name) => name !== 'pi4')) {
    const folder = join('/var/tmp/bramble-cluster', number, 'nodes', node)
    for (const part of ['bin', 'var-lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots']) {
      for (const file of readdirSync(join(folder, part), { recursive: true, withFileTypes: true })) {
        const path = join(file.parentPath, file.name)
        if (file.isFile() && statSync(path).size > PROGRAM_BYTES) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
      }
    }
  }
}

function tableOf(title: string, starts: readonly Start[]): string {
  const row = (name: string, pick: (start: Start) => number, digits = 0): string[] => [name, showSpread(spreadOf(starts.map(pick)), digits)]
  return showTable(`${title}: ${starts.length} starts`, ['', 'ms, median (min-max)'], [
    ...stages.map((stage, index) => row(stage, (start) => start.stages[index] ?? NaN)),
    row('call to answer', ({ fromCallMs }) => fromCallMs),
    row('pod to serving', ({ servesMs }) => servesMs),
    row('pod to address in the API', ({ addressMs }) => addressMs),
    row('pod to answer', ({ fromPodMs }) => fromPodMs),
    row('answer / serving (goal 1.25)', ({ fromPodMs, servesMs }) => fromPodMs / servesMs, 2),
  ])
}

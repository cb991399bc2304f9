/** What each service of stack.yml holds as a pod: idle, at most while it works, and a while after. Private memory of its process. */
import { setTimeout as pause } from 'node:timers/promises'
import { join } from 'node:path'
import { readStack } from '../../../platform/stack/read-stack.ts'
import { showTable } from '../../bench/statistics.ts'
import { deployServices } from '../services-on-cluster.ts'
import { loadLine, openScene, type Measure } from './measure.ts'
import { heldBy } from './pod-processes.ts'
import { serviceLoads } from './service-load.ts'

const REST_MS = 20_000
const LOOK_MS = 250
const MEBIBYTE = 2 ** 20
const root = join(import.meta.dirname, '../../..')

export const serviceMemory: Measure = async (print) => {
  await using scene = await openScene({ workers: 2 })
  const names = Object.keys(serviceLoads)
  const stack = await readStack({ cwd: root })
  const limits = new Map(stack.functions.map(({ name, limits: limit }) => [name, limit?.memory ?? 'none']))
  const services = await deployServices(scene.cluster, scene.platform, { services: ['hello', ...names], roles: { storage: ['zero-1'], cache: ['zero-2'], compute: ['zero-2'] } })
  await pause(REST_MS)
  const held = (pid: number): number => heldBy(pid).privateBytes
  const idle = new Map<string, number>()
  for (const name of names) idle.set(name, held(await services.pidOf(name)))
  const rows: string[][] = []
  for (const [name, { what, run }] of Object.entries(serviceLoads)) {
    const pid = await services.pidOf(name)
    let most = 0
    const timer = setInterval(() => { most = Math.max(most, held(pid)) }, LOOK_MS)
    const trouble = await run(services.target(name)).then(() => '', (error: unknown) => ` (${String(error).slice(0, 160)})`)
    await pause(REST_MS)
    clearInterval(timer)
    const shown = (bytes: number): string => (bytes / MEBIBYTE).toFixed(1)
    rows.push([name, limits.get(name) ?? '', shown(idle.get(name) ?? NaN), shown(most), shown(held(pid)), what + trouble])
  }
  print(showTable('private memory of a service as a pod, MiB', ['', 'limit', 'idle', 'at most', `${REST_MS / 1000} s after`, 'work'], rows))
  print(loadLine())
}

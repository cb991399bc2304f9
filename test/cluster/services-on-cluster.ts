/** The data and auth services on the cluster, deployed as stack.yml has them, with the images of this build. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, textAt, textsAt } from '../../platform/provider/kubernetes/json.ts'
import { readDeployment } from '../../platform/stack/deployment.ts'
import { readStack } from '../../platform/stack/read-stack.ts'
import { eventually } from '../kit.ts'
import type { Target } from '../kill/service-call.ts'
import type { Cluster } from './cluster.ts'
import { pushFunction } from './function-image.ts'
import { findPods } from './measure/pod-processes.ts'
import type { PlatformOnCluster } from './platform-on-cluster.ts'

export type ServicesOnCluster = {
  readonly data: Target
  readonly auth: Target
  readonly serviceToken: string
  /** The process of the service's pod, as this machine sees it. */
  pidOf(service: 'data' | 'auth'): Promise<number>
  /** SIGKILL for the process of its pod, which is gone when this resolves. */
  kill(service: 'data' | 'auth'): Promise<void>
  /** Where Kubernetes waits before it starts a program that ended again and again: a new pod at once. */
  skipBackOff(service: 'data' | 'auth'): Promise<void>
}

const root = join(import.meta.dirname, '../..')
/** Where the disks are; the other worker may die without them. */
export const DATA_NODE = 'zero-1'
const FUNCTIONS = 'openfaas-fn'
const GATEWAY = 'http://gateway.openfaas.svc.cluster.local:8080'
const PATIENCE_MS = 300_000
const UNDER_WAY_MS = 200

/** `dist` is built. `authEnv` wins over what stack.yml says. */
export async function deployServices(cluster: Cluster, platform: PlatformOnCluster, authEnv: Readonly<Record<string, string>> = {}): Promise<ServicesOnCluster> {
  const serviceToken = randomBytes(24).toString('hex')
  const secrets = { 'service-token': serviceToken, 'auth-key': randomBytes(32).toString('base64'), 'auth-admin-password': `Admin-${randomBytes(12).toString('hex')}` }
  const accepted = async (path: string, body: object): Promise<void> => {
    const response = await platform.send(path, 'POST', body)
    if (response.status > 299) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  }
  for (const [name, value] of Object.entries(secrets)) await accepted('/system/secrets', { name, value })
  await labelBoards(cluster)
  const stack = await readStack({ cwd: root })
  for (const name of ['data', 'auth'] as const) {
    const one = stack.functions.find((found) => found.name === name)
    if (one === undefined) throw new Error(`stack.yml has no function ${name}`)
    const body = await readDeployment(stack, one, { templateHomes: [root] })
    await accepted('/system/functions', {
      ...body,
      image: await pushFunction(cluster, join(root, 'dist/functions'), name),
      ...(name === 'data'
        // The harness's disk is a folder of this machine, which may be an overlay.
        ? { envVars: { ...body.envVars, trust_folder: 'true' } }
        : { envVars: { ...body.envVars, data_url: `${GATEWAY}/function/data`, ...authEnv } }),
    })
  }
  const pods = async (service: string): Promise<unknown[]> => {
    const all = listAt(await cluster.get('pods', '-n', FUNCTIONS), 'items')
    return all.filter((pod) => textsAt(pod, 'metadata', 'labels')['faas_function'] === service && textAt(pod, 'metadata', 'deletionTimestamp') === undefined)
  }
  const pidOf = (service: string): Promise<number> => eventually(`a pod of ${service} runs`, async () => {
    const uids = (await pods(service)).map((pod) => textAt(pod, 'metadata', 'uid') ?? '')
    return [...findPods(uids).values()][0]?.program
  }, PATIENCE_MS)
  const targets = { data: { url: `${platform.url}/function/data`, token: serviceToken }, auth: { url: `${platform.url}/function/auth` } }
  for (const [name, { url }] of Object.entries(targets)) {
    await eventually(`${name} answers`, async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.status === 200, PATIENCE_MS).catch(async (error: unknown) => {
      throw new Error(`${await cluster.kubectl('-n', FUNCTIONS, 'describe', 'pods')}\n${await cluster.kubectl('-n', FUNCTIONS, 'logs', '-l', `faas_function=${name}`, '--tail=20').catch(String)}`, { cause: error })
    })
  }
  return {
    ...targets, serviceToken, pidOf,
    async kill(service) {
      const pid = await pidOf(service)
      // Looking for it has kept this process, and with it those who call, from working: let them begin again.
      await pause(UNDER_WAY_MS)
      process.kill(pid, 'SIGKILL')
      await eventually('the process is gone', () => !existsSync(`/proc/${pid}`))
    },
    async skipBackOff(service) {
      for (const pod of await pods(service)) {
        const waits = listAt(pod, 'status', 'containerStatuses').some((one) => textAt(one, 'state', 'waiting', 'reason') === 'CrashLoopBackOff')
        if (waits) await cluster.kubectl('-n', FUNCTIONS, 'delete', 'pod', textAt(pod, 'metadata', 'name') ?? '', '--grace-period=0', '--force')
      }
    },
  }
}

/** What the constraints of stack.yml ask for: one board has the disks, all serve what needs none. */
export async function labelBoards(cluster: Cluster): Promise<void> {
  await cluster.kubectl('label', 'node', DATA_NODE, 'bramble/storage=true', '--overwrite')
  await cluster.kubectl('label', 'node', '--all', 'bramble/compute=true', 'bramble/cache=true', '--overwrite')
}

export async function removeServices(cluster: Cluster, platform: PlatformOnCluster): Promise<void> {
  for (const functionName of ['auth', 'data']) await platform.send('/system/functions', 'DELETE', { functionName }).catch(() => undefined)
  await cluster.kubectl('-n', FUNCTIONS, 'delete', 'persistentvolumeclaim', '--all', '--wait=false')
}

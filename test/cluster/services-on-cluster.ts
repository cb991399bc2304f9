/** Services on the cluster, deployed as stack.yml has them, with the images of this build. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { listAt, textAt, textsAt } from '../../platform/provider/kubernetes/json.ts'
import { readDeployment, type DeploymentBody } from '../../platform/stack/deployment.ts'
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
  /** Calls it with the service token. */
  target(service: string): Target
  /** Of the pods that are to stay, as the API has them. */
  pods(service: string): Promise<readonly unknown[]>
  /** The process of the service's pod, as this machine sees it. */
  pidOf(service: string): Promise<number>
  /** SIGKILL for the process of its pod, which is gone when this resolves. */
  kill(service: string): Promise<void>
  /** Where Kubernetes waits before it starts a program that ended again and again: a new pod at once. */
  skipBackOff(service: string): Promise<void>
}

export type ServicesOptions = {
  /** Names in stack.yml and stack.album.yml; those that others stand on come first. */
  readonly services?: readonly string[]
  /** Wins over what stack.yml says. */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Which boards have which role. */
  readonly roles?: Readonly<Record<string, readonly string[]>>
  /** Do not wait until they answer. */
  readonly isUnawaited?: boolean
}

const root = join(import.meta.dirname, '../..')
/** Where the disks are; the other worker may die without them. */
export const DATA_NODE = 'zero-1'
const FUNCTIONS = 'openfaas-fn'
const GATEWAY = 'http://gateway.openfaas.svc.cluster.local:8080'
const PATIENCE_MS = 300_000
const UNDER_WAY_MS = 200
const ROLES = ['storage', 'compute', 'cache'] as const
/** The harness's disk is a folder of this machine, which may be an overlay. */
const onDisk = { trust_folder: 'true' }
/** By its whole name the gateway is found with one question. */
const onCluster: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  data: onDisk, auth: { data_url: `${GATEWAY}/function/data` }, files: onDisk,
}

/** `dist` is built. */
export async function deployServices(cluster: Cluster, platform: PlatformOnCluster, options: ServicesOptions = {}): Promise<ServicesOnCluster> {
  const { services = ['data', 'auth'], env = {}, roles, isUnawaited = false } = options
  await labelBoards(cluster, roles ?? { storage: [DATA_NODE], compute: cluster.nodes, cache: cluster.nodes })
  const stacks = await Promise.all(['stack.yml', 'stack.album.yml'].map((file) => readStack({ cwd: root, file })))
  const bodies: DeploymentBody[] = []
  for (const name of services) {
    const [found] = stacks.flatMap((stack) => stack.functions.filter((one) => one.name === name).map((one) => ({ stack, one })))
    if (found === undefined) throw new Error(`no stack file has a function ${name}`)
    bodies.push(await readDeployment(found.stack, found.one, { templateHomes: [root] }))
  }
  const accepted = async (path: string, body: object): Promise<void> => {
    const response = await platform.send(path, 'POST', body)
    if (response.status > 299) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  }
  const serviceToken = randomBytes(24).toString('hex')
  const known: Readonly<Record<string, string>> = {
    'service-token': serviceToken, 'auth-admin-password': `Admin-${randomBytes(12).toString('hex')}`, 'gateway-login': `${platform.user}:${platform.password}`,
  }
  for (const name of new Set(bodies.flatMap(({ secrets = [] }) => secrets))) {
    await accepted('/system/secrets', { name, value: known[name] ?? randomBytes(32).toString('base64') })
  }
  for (const body of bodies) {
    const image = await pushFunction(cluster, join(root, 'dist/functions'), body.service)
    await accepted('/system/functions', { ...body, image, envVars: { ...body.envVars, ...onCluster[body.service], ...env[body.service] } })
  }
  const pods = async (service: string): Promise<readonly unknown[]> => {
    const all = listAt(await cluster.get('pods', '-n', FUNCTIONS), 'items')
    // One that its board refused, for it had not heard of its new label, stays there as failed beside its successor.
    return all.filter((pod) => textsAt(pod, 'metadata', 'labels')['faas_function'] === service && textAt(pod, 'metadata', 'deletionTimestamp') === undefined &&
      textAt(pod, 'status', 'phase') !== 'Failed')
  }
  const pidOf = (service: string): Promise<number> => eventually(`a pod of ${service} runs`, async () => {
    const uids = (await pods(service)).map((pod) => textAt(pod, 'metadata', 'uid') ?? '')
    return [...findPods(uids).values()][0]?.program
  }, PATIENCE_MS)
  const target = (service: string): Target => ({ url: `${platform.url}/function/${service}`, token: serviceToken })
  for (const name of isUnawaited ? [] : services) await untilHealthy(cluster, platform, name)
  return {
    data: target('data'), auth: { url: target('auth').url }, serviceToken, target, pods, pidOf,
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

/** It answers; if not in time, what its pods say. */
export async function untilHealthy(cluster: Cluster, { url }: PlatformOnCluster, name: string): Promise<void> {
  const isThere = async (): Promise<boolean> => {
    const answer = await fetch(`${url}/function/${name}/healthz`).catch(() => undefined)
    await answer?.body?.cancel()
    return answer?.status === 200
  }
  await eventually(`${name} answers`, isThere, PATIENCE_MS).catch(async (error: unknown) => {
    throw new Error(`${await cluster.kubectl('-n', FUNCTIONS, 'describe', 'pods')}\n${await cluster.kubectl('-n', FUNCTIONS, 'logs', '-l', `faas_function=${name}`, '--tail=20').catch(String)}`, { cause: error })
  })
}

/** What the constraints of stack.yml ask for: these boards have these roles, and no others have them. */
export async function labelBoards(cluster: Cluster, roles: Readonly<Record<string, readonly string[]>>): Promise<void> {
  for (const role of ROLES) {
    await cluster.kubectl('label', 'node', '--all', `bramble/${role}-`)
    const boards = roles[role] ?? []
    if (boards.length > 0) await cluster.kubectl('label', 'node', ...boards, `bramble/${role}=true`)
  }
}

export async function removeServices(cluster: Cluster, platform: PlatformOnCluster): Promise<void> {
  const listed: unknown = await (await platform.send('/system/functions', 'GET')).json()
  for (const one of listAt({ listed }, 'listed')) await platform.send('/system/functions', 'DELETE', { functionName: textAt(one, 'name') ?? '' }).catch(() => undefined)
  await cluster.kubectl('-n', FUNCTIONS, 'delete', 'persistentvolumeclaim', '--all', '--wait=false')
}

/** What each measure starts from: a cluster of its own, the platform on it, and functions with the project's runtime. */
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '../../../platform/provider/kubernetes/client.ts'
import { listAt, textAt } from '../../../platform/provider/kubernetes/json.ts'
import { connectKubeconfig } from '../../../platform/provider/kubernetes/kubeconfig.ts'
import { paths } from '../../../platform/provider/kubernetes/paths.ts'
import { eventually } from '../../kit.ts'
import { startCluster, type Cluster, type ClusterOptions } from '../cluster.ts'
import { ENV_PROCESS, pushFunction } from '../function-image.ts'
import { deployPlatform, type PlatformOnCluster } from '../platform-on-cluster.ts'

export type Measure = (print: (text: string) => void) => Promise<void>

export type Scene = AsyncDisposable & {
  readonly cluster: Cluster
  readonly platform: PlatformOnCluster
  /** The administrator's, for what kubectl is too slow for. */
  readonly client: Client
  /** The reference of the built `hello`. */
  readonly helloImage: string
  /** `hello` under this name; answers when it was accepted. */
  deploy(service: string, more?: object): Promise<void>
  scale(service: string, replicas: number): Promise<void>
  /** Pods of functions, as the API has them. */
  pods(): Promise<readonly unknown[]>
}

export const FUNCTIONS = 'openfaas-fn'
const root = join(import.meta.dirname, '../../..')
/** A starved worker of an imitated Zero takes minutes for what takes seconds. */
export const PATIENCE_MS = 300_000

/** `dist` is built. */
export async function openScene(options: ClusterOptions): Promise<Scene> {
  const cluster = await startCluster(options)
  try {
    const platform = await deployPlatform(cluster)
    const client = createClient(() => connectKubeconfig(cluster.kubeconfig))
    const helloImage = await pushFunction(cluster, join(root, 'dist/functions'), 'hello')
    const send = async (path: string, method: string, body: object): Promise<void> => {
      const response = await platform.send(path, method, body)
      if (response.status !== 202) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    }
    return {
      cluster, platform, client, helloImage,
      deploy: (service, more = {}) => send('/system/functions', 'POST', { service, image: helloImage, envProcess: ENV_PROCESS, ...more }),
      scale: (serviceName, replicas) => send(`/system/scale-function/${serviceName}`, 'POST', { serviceName, replicas }),
      pods: async () => listAt(await client.get(paths.pods(FUNCTIONS)), 'items'),
      async [Symbol.asyncDispose]() {
        client.close()
        await cluster[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

export function isReady(pod: unknown): boolean {
  return listAt(pod, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True')
}

/** `count` pods are there, and all are ready. */
export async function untilReady({ pods }: Scene, count: number): Promise<readonly unknown[]> {
  return eventually(`${count} pods are ready`, async () => {
    const all = await pods()
    return all.length === count && all.every(isReady) && all
  }, PATIENCE_MS)
}

export function uidOf(object: unknown): string {
  return textAt(object, 'metadata', 'uid') ?? ''
}

/** How busy the machine is besides: times depend on it. */
export function loadLine(): string {
  return `load of the machine (1, 5, 15 minutes): ${loadavg().map((one) => one.toFixed(1)).join(', ')}\n`
}

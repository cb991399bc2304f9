/** A provider on the cluster as deploy.yml would have it: with the platform's own account, and nothing left of others. */
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { createCredentials } from '../../platform/image/credentials.ts'
import { readImageDigest } from '../../platform/image/image-digest.ts'
import { createRegistries } from '../../platform/image/registries.ts'
import { isObject, listAt, textAt } from '../../platform/provider/kubernetes/json.ts'
import { createKubernetesProvider } from '../../platform/provider/kubernetes/provider.ts'
import type { Provider } from '../../platform/provider/provider.ts'
import { eventually } from '../kit.ts'
import type { ContractWorld } from '../provider/contract.ts'
import { createDataPath } from '../provider/data-path.ts'
import { keepLog } from '../provider/world.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { clusterAccount } from './account.ts'
import { pushProbe } from './probe-image.ts'

const CLEAN_LIMIT_MS = 180_000

export type ProviderWorld = ContractWorld & {
  readonly cluster: Cluster
  /** Everything the provider logs. */
  readonly lines: Record<string, unknown>[]
  /** Another one on the same cluster, as a second platform would have it. */
  another(): Promise<Provider>
}

let isDeployed = false

/** What deploy.yml says, but for the platform itself: the provider runs in the test. */
export async function deployWithoutPlatform(cluster: Cluster): Promise<void> {
  if (isDeployed) return
  const text = await readFile(join(import.meta.dirname, '../../platform/deploy.yml'), 'utf8')
  const objects = parseAllDocuments(text).map((one): unknown => one.toJS()).filter(isObject)
    .filter((one) => !['Deployment', 'PersistentVolumeClaim', 'PodDisruptionBudget'].includes(textAt(one, 'kind') ?? ''))
  await cluster.apply(...objects)
  for (const node of cluster.nodes) await cluster.kubectl('label', 'node', node, 'zone=here', '--overwrite')
  isDeployed = true
}

export type WorldOptions = {
  /** Registries by whose names nodes and platform find images in the cluster's own. */
  readonly mirrored?: readonly string[]
}

export async function openProviderWorld({ mirrored = [] }: WorldOptions = {}): Promise<ProviderWorld> {
  const cluster = await startCluster()
  for (const registry of mirrored) await cluster.mirror(registry)
  await deployWithoutPlatform(cluster)
  await clean(cluster)
  const { log, lines } = keepLog()
  const registries = createRegistries({
    credentials: createCredentials({ dockerFolder: '/nowhere', env: {} }), caFile: undefined, insecure: [cluster.registry], userAgent: 'bramble-test',
  })
  const whereIs = (image: string): string => {
    const registry = mirrored.find((one) => image.startsWith(`${one}/`))
    return registry === undefined ? image : image.replace(registry, cluster.registry)
  }
  const kubeconfig = await clusterAccount(cluster)
  const providers: Provider[] = []
  const open = async (): Promise<Provider> => {
    const provider = createKubernetesProvider({
      kubeconfig, pod: undefined, updateTimeoutMs: 30_000, log, digestOf: (image) => readImageDigest(whereIs(image), registries.open, log),
    })
    providers.push(provider)
    await provider.start()
    return provider
  }
  const provider = await open()
  const path = createDataPath(provider)
  return {
    cluster, provider, path, lines,
    another: open,
    absentImage: `${cluster.registry}/no-such-image:1`,
    makeImage: (name, version) => pushProbe(cluster, name, version),
    async [Symbol.asyncDispose]() {
      path.stop()
      for (const one of providers) await one.stop()
      registries.close()
      await rm(dirname(kubeconfig), { recursive: true })
    },
  }
}

/** Nothing is left of the test before; its pods need not end in peace. */
export async function clean(cluster: Cluster): Promise<void> {
  await cluster.settle()
  const others = listAt(await cluster.get('namespaces'), 'items')
    .filter((one) => textAt(one, 'metadata', 'annotations', 'openfaas') === '1').map((one) => textAt(one, 'metadata', 'name') ?? '')
  const endPods = (namespace: string): Promise<string> =>
    cluster.kubectl('-n', namespace, 'delete', 'pods', '--all', '--grace-period=0', '--force', '--wait=false')
  for (const namespace of others) {
    // ReplicaSets too: until somebody collects them they would make new pods, which would end in peace.
    await cluster.kubectl('-n', namespace, 'delete', 'functions.openfaas.com,deployments,replicasets,secrets,persistentvolumeclaims', '--all', '--wait=false')
    await endPods(namespace)
    if (namespace !== 'openfaas-fn') await cluster.kubectl('delete', 'namespace', namespace, '--wait=false', '--ignore-not-found')
  }
  await eventually('nothing is left of the test before', async () => {
    const left = listAt(await cluster.get('namespaces,pods', '-n', 'openfaas-fn'), 'items')
    const hasPods = left.some((one) => textAt(one, 'kind') === 'Pod')
    if (hasPods) await endPods('openfaas-fn')
    return !hasPods && !left.some((one) => {
      const name = textAt(one, 'metadata', 'name') ?? ''
      return name !== 'openfaas-fn' && others.includes(name)
    })
  }, CLEAN_LIMIT_MS)
}

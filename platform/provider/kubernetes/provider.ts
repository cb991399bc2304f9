/** The provider for a cluster: replicas are pods, state is in the Kubernetes API and nowhere else. */
import { lookup } from 'node:dns/promises'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import { createAnnouncements } from './announcements.ts'
import { createBalancer } from './balancer.ts'
import { createClient } from './client.ts'
import { createCluster, type Cluster } from './cluster.ts'
import { connectServiceAccount, type Connection } from './connection.ts'
import { createFunctions } from './functions.ts'
import { createFunctionObjects } from './functions-crd.ts'
import { keepCredentials, type Credentials } from './keep-credentials.ts'
import { createLogs } from './logs.ts'
import { createNamespaces, prepareNamespace } from './namespaces.ts'
import { createNodes } from './nodes.ts'
import type { Gateway } from './pod-template.ts'
import { createProber } from './probe.ts'
import { createRotation } from './rotation.ts'
import { createSecrets } from './secrets.ts'
import { createUsage } from './usage.ts'

export type KubernetesProviderDeps = {
  /** A file; absent for the account of the pod that this runs in. */
  readonly kubeconfig: string | undefined
  /** Where a pod finds the API; absent outside of one. */
  readonly pod: { readonly host: string; readonly port: string } | undefined
  /** Where replicas reach the gateway; absent when they are not to say that they serve. */
  readonly gateway?: Gateway | undefined
  /**
   * The digest of an image's content, so that the same tag with new content is a new version; `undefined` when its
   * registry does not say. `INVALID` when it says that there is none.
   */
  readonly digestOf?: (image: string) => Promise<string | undefined>
  /** How long a new version may take to become ready. */
  readonly updateTimeoutMs: number
  /** Of `/system`: kept in the secret basic-auth when there are none yet. */
  readonly credentials?: Credentials | undefined
  readonly log: Log
}

export function createKubernetesProvider(deps: KubernetesProviderDeps): Provider {
  const { kubeconfig, pod, gateway, digestOf = async () => undefined, updateTimeoutMs, credentials, log } = deps
  const client = createClient(() => connect(kubeconfig, pod))
  const prober = createProber()
  const listeners = new Set<(ref: FunctionRef) => void>()
  const cluster: Cluster = createCluster({
    client, log,
    onNamespace: (name) => prepareNamespace({ client, log }, name),
    onObject: (before, after) => objects.look(before, after),
    onFunction(ref) {
      rotation.update(ref)
      objects.refresh(ref)
      for (const listener of listeners) listener(ref)
    },
  })
  const rotation = createRotation({ cluster: () => cluster, prober, log })
  const secrets = createSecrets({ client, cluster })
  const namespaces = createNamespaces({ client, cluster, log })
  const usage = createUsage({ client, cluster, log })
  let gatewayNow: Gateway | undefined
  const functions = createFunctions({
    client, cluster, rotation, secrets, digestOf, gateway: () => gatewayNow, log, usageOf: usage.of, readyDeadlineMs: updateTimeoutMs,
  })
  const announcements = createAnnouncements({ client, cluster, log })
  const balancer = createBalancer({ client, cluster, rotation, log })
  const objects = createFunctionObjects({ client, functions, log })
  const logs = createLogs({
    client, cluster, log,
    onChange(listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
  })

  return {
    info: { name: 'bramble-kubernetes', orchestration: 'kubernetes' },
    async start() {
      gatewayNow = gateway && await resolved(gateway, log)
      await cluster.start()
      if (credentials) await keepCredentials({ client, log }, credentials)
      await balancer.start()
    },
    async stop() {
      await balancer.stop()
      objects.stop()
      rotation.stop()
      prober.stop()
      await cluster.stop()
      client.close()
    },
    watch: rotation.watch,
    // A replica that has left goes on for as long as a call may take (timing.ts): the kubelet cannot be told to end it
    // sooner, and another platform may still have calls on it.
    drained: () => undefined,
    announced: announcements.announced,
    apply: (spec) => functions.apply(spec),
    list: functions.list,
    get: functions.get,
    scale: functions.scale,
    remove: functions.remove,
    logs: logs.read,
    metricsOf: rotation.metricsOf,
    nodes: createNodes({ client, log }),
    secrets: { list: secrets.list, create: secrets.create, update: secrets.update, remove: secrets.remove },
    namespaces,
  }
}

/** By its address: a function that starts has no time for a question to DNS. */
async function resolved({ host, port }: Gateway, log: Log): Promise<Gateway | undefined> {
  try {
    return { host: (await lookup(host)).address, port }
  } catch (error) {
    log.warn('gateway_address is not known: functions that start are found when Kubernetes tells of them', { host, error: reasonOf(error) })
    return undefined
  }
}

async function connect(kubeconfig: string | undefined, pod: KubernetesProviderDeps['pod']): Promise<Connection> {
  if (kubeconfig !== undefined) {
    const { connectKubeconfig } = await import('./kubeconfig.ts')
    return connectKubeconfig(kubeconfig)
  }
  if (pod) return connectServiceAccount(pod)
  throw new BrambleError('INVALID', 'provider=kubernetes runs in a pod of the cluster; outside of one name a file in the setting kubeconfig')
}

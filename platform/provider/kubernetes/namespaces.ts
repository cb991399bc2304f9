/** Namespaces of functions: those with the annotation openfaas=1, and the default one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { DEFAULT_NAMESPACE, type Namespace } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError, translated } from './errors.ts'
import { isObject, textsAt } from './json.ts'
import { FUNCTIONS_ANNOTATION, FUNCTIONS_ROLE, NAMESPACE_ANNOTATION, PLATFORM_ACCOUNT, PLATFORM_NAMESPACE } from './names.ts'
import { namespacePolicies } from './network-policies.ts'
import { viewNamespace, type NamespaceView } from './objects.ts'
import { paths } from './paths.ts'

/** Kubernetes lets the pods of a removed namespace end first; so long a new one of its name waits. */
const GONE_TRIES = 300
const GONE_POLL_MS = 200

/** What calls that are under way in a removed namespace get. */
const END_SECONDS = 10

type NamespacesDeps = { readonly client: Client; readonly cluster: Cluster; readonly log: Log }

export function createNamespaces({ client, cluster, log }: NamespacesDeps): Provider['namespaces'] {
  const find = (name: string): NamespaceView => {
    const found = cluster.namespace(name)
    if (found) return found
    throw new BrambleError('NOT_FOUND', `namespace ${name} does not exist, or is not for functions`)
  }

  return {
    list: async () => cluster.namespaces().map(shownOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
    async get(name) {
      const found = cluster.namespace(name)
      return found && shownOf(found)
    },

    create: (namespace) => translated(`namespace ${namespace.name}`, async () => {
      const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace.name, ...metadataOf(namespace) } }
      for (let tries = 1; ; tries++) {
        try {
          await cluster.putNamespace(await client.create(paths.namespaces(), body))
          return
        } catch (error) {
          if (!isApiError(error, 409)) throw error
          const present = await client.get(paths.namespaces(namespace.name)).catch(() => undefined)
          if (!viewNamespace(present)?.isLeaving && present !== undefined) {
            throw new BrambleError('CONFLICT', `namespace ${namespace.name} exists already`, { cause: error })
          }
          if (tries === GONE_TRIES) throw new BrambleError('CONFLICT', `namespace ${namespace.name} is still being removed: try again later`)
          await sleep(GONE_POLL_MS)
        }
      }
    }),

    update: (namespace) => translated(`namespace ${namespace.name}`, async () => {
      const before = find(namespace.name)
      const shown = shownOf(before)
      const after = metadataOf(namespace)
      await cluster.putNamespace(await client.merge(paths.namespaces(namespace.name), {
        metadata: {
          labels: { ...nothing(shown.labels), ...after.labels },
          annotations: { ...nothing(shown.annotations), ...after.annotations },
        },
      }))
    }),

    remove: (name) => translated(`namespace ${name}`, async () => {
      if (name === DEFAULT_NAMESPACE) throw new BrambleError('INVALID', `namespace ${name} is the default one and stays`)
      find(name)
      await client.remove(paths.namespaces(name))
      const pods = cluster.podsIn(name)
      cluster.dropNamespace(name)
      // Kubernetes would give each its whole time, and ask for the next only after that.
      await Promise.all(pods.map((pod) => client.remove(paths.pods(name, pod.name), { graceSeconds: END_SECONDS }).catch((error: unknown) => {
        log.debug('a pod of a removed namespace could not be ended early', { pod: pod.name, error: reasonOf(error) })
      })))
    }),
  }
}

/**
 * What a namespace needs before its functions can be served: the platform's role in it, and who may call whom. That of
 * the default one is in deploy.yml. A platform that may not bind roles says what its owner has to do.
 */
export async function prepareNamespace({ client, log }: { client: Client; log: Log }, namespace: string): Promise<void> {
  if (namespace === DEFAULT_NAMESPACE) return
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding',
    metadata: { name: FUNCTIONS_ROLE, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: FUNCTIONS_ROLE },
    subjects: [{ kind: 'ServiceAccount', name: PLATFORM_ACCOUNT, namespace: PLATFORM_NAMESPACE }],
  }
  try {
    await client.apply(paths.roleBindings(namespace, FUNCTIONS_ROLE), binding)
    for (const { name, body } of namespacePolicies(namespace)) await applySoon(client, paths.policies(namespace, name), body)
  } catch (error) {
    log.warn(`bind the role ${FUNCTIONS_ROLE} to the account ${PLATFORM_ACCOUNT} in this namespace`, { namespace, error: reasonOf(error) })
  }
}

/** A role that was bound just now takes a moment to count. */
async function applySoon(client: Client, path: string, body: object): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await client.apply(path, body)
      return
    } catch (error) {
      if (!isApiError(error, 403) || tries === BOUND_TRIES) throw error
      await sleep(BOUND_POLL_MS)
    }
  }
}
const BOUND_TRIES = 20
const BOUND_POLL_MS = 100

/** As it was sent; for one that was made with kubectl, what is not Kubernetes' own. */
function shownOf({ name, labels, annotations }: NamespaceView): Namespace {
  const sent = parse(annotations[NAMESPACE_ANNOTATION])
  if (sent) return { name, labels: textsAt(sent, 'labels'), annotations: textsAt(sent, 'annotations') }
  const isForeign = ([key]: [string, string]): boolean => !/^[^/]*(?:kubernetes|k8s)\.io\//.test(key) && key !== FUNCTIONS_ANNOTATION
  return {
    name,
    labels: Object.fromEntries(Object.entries(labels).filter(isForeign)),
    annotations: Object.fromEntries(Object.entries(annotations).filter(isForeign)),
  }
}

function metadataOf({ labels, annotations }: Namespace): { labels: Record<string, string>; annotations: Record<string, string> } {
  return {
    labels: { ...labels },
    annotations: { ...annotations, [FUNCTIONS_ANNOTATION]: '1', [NAMESPACE_ANNOTATION]: JSON.stringify({ labels, annotations }) },
  }
}

/** In a merge patch `null` takes a field away. */
function nothing(texts: Readonly<Record<string, string>>): Record<string, null> {
  return Object.fromEntries(Object.keys(texts).map((key) => [key, null]))
}

function parse(text: string | undefined): object | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

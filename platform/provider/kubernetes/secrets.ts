/** Secrets of functions: one value each, in the Kubernetes API alone. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionSpec, Secret, SecretRef } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError, translated } from './errors.ts'
import { listAt, textAt } from './json.ts'
import { MANAGED_LABEL, SECRET_MANAGED_BY } from './names.ts'
import { paths } from './paths.ts'
import type { SecretView } from './pod-template.ts'

export type Secrets = Provider['secrets'] & {
  /** Those a function asks for; `INVALID` names one that is missing. */
  viewsOf(spec: FunctionSpec): Promise<readonly SecretView[]>
}

/** What Kubernetes keeps in one secret. */
const MAX_BYTES = 2 ** 20
const PULL_TYPES = ['kubernetes.io/dockerconfigjson', 'kubernetes.io/dockercfg']

export function createSecrets({ client, cluster }: { client: Client; cluster: Cluster }): Secrets {
  const wordsOf = (ref: SecretRef): string => `secret ${ref.name} in namespace ${ref.namespace}`

  const bodyOf = ({ name, namespace, value }: Secret): object => {
    if (value.length > MAX_BYTES) {
      throw new BrambleError('INVALID', `secret ${name} has ${value.length} bytes, more than the ${MAX_BYTES} a secret may have`)
    }
    return {
      apiVersion: 'v1', kind: 'Secret', type: 'Opaque',
      metadata: { name, namespace, labels: { [MANAGED_LABEL]: SECRET_MANAGED_BY } },
      data: { [name]: Buffer.from(value).toString('base64') },
    }
  }
  const missing = (ref: SecretRef, cause: unknown): BrambleError =>
    new BrambleError('NOT_FOUND', `${wordsOf(ref)} does not exist`, { cause })

  return {
    list(namespace) {
      return translated(`secrets of namespace ${namespace}`, async () => {
        cluster.checkNamespace(namespace)
        const found = await client.get(paths.secrets(namespace), { labelSelector: `${MANAGED_LABEL}=${SECRET_MANAGED_BY}` })
        return listAt(found, 'items').map((one) => ({ name: textAt(one, 'metadata', 'name') ?? '', namespace }))
          .sort((a, b) => (a.name < b.name ? -1 : 1))
      })
    },

    create: (secret) => translated(wordsOf(secret), async () => {
      const body = bodyOf(secret)
      cluster.checkNamespace(secret.namespace)
      try {
        await client.create(paths.secrets(secret.namespace), body)
      } catch (error) {
        if (!isApiError(error, 409)) throw error
        throw new BrambleError('CONFLICT', `${wordsOf(secret)} exists already`, { cause: error })
      }
    }),

    update: (secret) => translated(wordsOf(secret), async () => {
      const body = bodyOf(secret)
      cluster.checkNamespace(secret.namespace)
      try {
        await client.merge(paths.secrets(secret.namespace, secret.name), body)
      } catch (error) {
        throw isApiError(error, 404) ? missing(secret, error) : error
      }
    }),

    remove: (ref) => translated(wordsOf(ref), async () => {
      cluster.checkNamespace(ref.namespace)
      try {
        await client.remove(paths.secrets(ref.namespace, ref.name))
      } catch (error) {
        throw isApiError(error, 404) ? missing(ref, error) : error
      }
    }),

    viewsOf: (spec) => Promise.all([...new Set(spec.secrets)].map(async (name) => {
      try {
        const object = await client.get(paths.secrets(spec.namespace, name))
        return {
          name,
          version: textAt(object, 'metadata', 'resourceVersion') ?? '',
          isForPulling: PULL_TYPES.includes(textAt(object, 'type') ?? ''),
        }
      } catch (error) {
        if (!isApiError(error, 404)) throw error
        throw new BrambleError('INVALID', `secret ${name} of function ${spec.name} is not in namespace ${spec.namespace}: create it first`, { cause: error })
      }
    })),
  }
}

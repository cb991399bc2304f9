/** Secrets: in memory as they are on disk. */
import { createHash } from 'node:crypto'
import { BrambleError } from '../../lib/errors.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionSpec, Secret, SecretRef } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import type { Desk } from './desk.ts'
import type { Records } from './records.ts'

export type Secrets = Provider['secrets'] & {
  load(): Promise<readonly Secret[]>
  clear(): void
  /** Name → hash of the value, of those a spec names. `INVALID` names the first that does not exist. */
  hashesOf(spec: FunctionSpec): Readonly<Record<string, string>>
  /** Name → value, of those a spec names. `NOT_FOUND` names the first that does not exist any more. */
  valuesOf(spec: FunctionSpec): ReadonlyMap<string, Uint8Array>
  /** The caller holds the namespace alone. */
  removeAll(namespace: string): Promise<void>
}

export function createSecrets(deps: { desk: Desk; records: Records<Secret>; maxBytes: number }): Secrets {
  const { desk, records, maxBytes } = deps
  const all = new Map<string, Secret>()

  const checkSize = ({ name, value }: Secret): void => {
    if (value.byteLength <= maxBytes) return
    throw new BrambleError('INVALID', `secret ${name} has ${value.byteLength} bytes; at most ${maxBytes} are allowed`)
  }
  const find = (ref: SecretRef): Secret => {
    const secret = all.get(serviceName(ref))
    if (secret) return secret
    throw new BrambleError('NOT_FOUND', `secret ${ref.name} does not exist in namespace ${ref.namespace}: create it first`)
  }
  const alone = <T>(ref: SecretRef, body: () => Promise<T>): Promise<T> => desk.alone(ref.namespace, `secret ${ref.name}`, body)
  const write = async (secret: Secret): Promise<void> => {
    await records.put(secret)
    all.set(serviceName(secret), secret)
  }

  return {
    async load() {
      for (const secret of await records.load()) all.set(serviceName(secret), secret)
      return [...all.values()]
    },
    clear: () => all.clear(),

    async list(namespace) {
      desk.checkNamespace(namespace)
      return [...all.values()].filter((secret) => secret.namespace === namespace)
        .map(({ name }) => ({ name, namespace }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    create: (secret) => alone(secret, async () => {
      desk.checkNamespace(secret.namespace)
      checkSize(secret)
      if (all.has(serviceName(secret))) {
        throw new BrambleError('CONFLICT', `secret ${secret.name} exists already in namespace ${secret.namespace}: update it`)
      }
      await write(copyOf(secret))
    }),
    update: (secret) => alone(secret, async () => {
      find(secret)
      checkSize(secret)
      await write(copyOf(secret))
    }),
    remove: (ref) => alone(ref, async () => {
      find(ref)
      await records.remove(serviceName(ref))
      all.delete(serviceName(ref))
    }),

    hashesOf(spec) {
      return Object.fromEntries(spec.secrets.map((name): [string, string] => {
        const secret = all.get(serviceName({ name, namespace: spec.namespace }))
        if (!secret) {
          throw new BrambleError('INVALID', `function ${spec.name} needs the secret ${name}, which does not exist in namespace ${spec.namespace}: create it first`)
        }
        return [name, createHash('sha256').update(secret.value).digest('hex')]
      }))
    },
    valuesOf: (spec) => new Map(spec.secrets.map((name) => [name, find({ name, namespace: spec.namespace }).value])),

    async removeAll(namespace) {
      const doomed = [...all.values()].filter((secret) => secret.namespace === namespace).map(serviceName)
      for (const key of doomed) all.delete(key)
      for (const key of doomed) await records.remove(key)
    },
  }
}

/** The caller may use its buffer again. */
function copyOf({ name, namespace, value }: Secret): Secret {
  return { name, namespace, value: Uint8Array.from(value) }
}

/** Namespaces. One that is removed is first marked so, durably: then all in it goes, whatever happens meanwhile. */
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { DEFAULT_NAMESPACE, type Namespace } from '../../openfaas/types.ts'
import type { Provider } from '../provider.ts'
import type { Desk } from './desk.ts'
import type { Records } from './records.ts'
import type { StoredNamespace } from './store.ts'

export type Namespaces = Provider['namespaces'] & {
  /** Answers those whose removal a killed predecessor did not finish. */
  load(): Promise<readonly string[]>
  clear(): void
  /** Nothing is left in a removed namespace. */
  finishRemoval(name: string): Promise<void>
  /** There are functions or secrets in a namespace whose file was unreadable. */
  restore(name: string): void
}

export type NamespacesDeps = {
  readonly desk: Desk
  readonly records: Records<StoredNamespace>
  readonly log: Log
  /** Removes all functions and secrets of a namespace. */
  readonly empty: (name: string) => Promise<void>
}

export function createNamespaces({ desk, records, log, empty }: NamespacesDeps): Namespaces {
  const all = new Map<string, Namespace>()
  /** Removed, but the disk refused: their files are still there. */
  const unfinished = new Set<string>()

  const find = (name: string): Namespace | undefined =>
    all.get(name) ?? (name === DEFAULT_NAMESPACE ? { name, labels: {}, annotations: {} } : undefined)
  desk.setNamespaces((name) => all.has(name))

  return {
    async load() {
      for (const { isRemoved, ...namespace } of await records.load()) {
        if (isRemoved) unfinished.add(namespace.name)
        else all.set(namespace.name, namespace)
      }
      return [...unfinished]
    },
    clear() {
      all.clear()
      unfinished.clear()
    },
    async finishRemoval(name) {
      await records.remove(name)
      unfinished.delete(name)
    },
    restore(name) {
      log.warn('namespace is unknown but not empty: kept without labels', { namespace: name })
      all.set(name, { name, labels: {}, annotations: {} })
    },

    async list() {
      const names = new Set([DEFAULT_NAMESPACE, ...all.keys()])
      return [...names].sort().flatMap((name) => find(name) ?? [])
    },
    async get(name) { return find(name) },
    create: (namespace) => desk.aloneIn(namespace.name, async () => {
      if (find(namespace.name)) throw new BrambleError('CONFLICT', `namespace ${namespace.name} exists already: update it`)
      if (unfinished.has(namespace.name)) {
        throw new BrambleError('UNAVAILABLE',
          `files of the former namespace ${namespace.name} could not be removed: look after data_dir and start the platform again`)
      }
      await records.put(namespace)
      all.set(namespace.name, namespace)
    }),
    update: (namespace) => desk.aloneIn(namespace.name, async () => {
      desk.checkNamespace(namespace.name)
      await records.put(namespace)
      all.set(namespace.name, namespace)
    }),
    remove: (name) => desk.aloneIn(name, async () => {
      if (name === DEFAULT_NAMESPACE) throw new BrambleError('INVALID', `the default namespace ${name} stays: remove its functions one by one`)
      desk.checkNamespace(name)
      await records.put({ name, labels: {}, annotations: {}, isRemoved: true })
      all.delete(name)
      unfinished.add(name)
      try {
        await empty(name)
        await records.remove(name)
        unfinished.delete(name)
      } catch (error) {
        // It is gone for everybody; what is left on the disk goes with the next start.
        log.error('files of a removed namespace are left', { namespace: name, error: reasonOf(error) })
      }
    }),
  }
}

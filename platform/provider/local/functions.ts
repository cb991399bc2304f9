/** All functions by name: changed one at a time, durable before it is acknowledged, their routes pushed to watchers. */
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { readScaleLabels } from '../../openfaas/labels.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionRef, LogMessage, LogQuery } from '../../openfaas/types.ts'
import { checkVolume } from '../../openfaas/volume.ts'
import type { Endpoint, Provider, Route, RouteChange } from '../provider.ts'
import type { Bundles } from './bundles.ts'
import { checkReplicas, checkSpec } from './check-spec.ts'
import { ignoredVariables, isTemplateProcess, TEMPLATE_ENTRY } from './command.ts'
import type { Desk } from './desk.ts'
import { createFunction, type LocalFunction } from './function.ts'
import type { Logs } from './logs.ts'
import type { Records } from './records.ts'
import type { Workshop } from './replica.ts'
import { createRevision, type Revision } from './revision.ts'
import type { Secrets } from './secrets.ts'
import { functionKeyOf, type FunctionRecord } from './store.ts'
import type { Users } from './users.ts'

export type Functions = Pick<Provider, 'watch' | 'drained' | 'apply' | 'list' | 'get' | 'scale' | 'remove' | 'logs'> & {
  metricsOf(ref: FunctionRef): readonly Endpoint[] | undefined

  /** Reads what there was; its replicas start. */
  load(bundles: ReadonlySet<string>, removedNamespaces: readonly string[]): Promise<void>
  /** All processes end. */
  stop(): Promise<void>
  /** The namespaces that functions are in. */
  namespaces(): Iterable<string>
  /** All of one namespace; the caller holds it alone. */
  removeAll(namespace: string): Promise<void>
}

export type FunctionsDeps = {
  readonly workshop: Workshop
  readonly desk: Desk
  readonly records: Records<FunctionRecord>
  readonly secrets: Secrets
  readonly bundles: Bundles
  /** Absent when all functions run as the platform's own user. */
  readonly users: Users | undefined
  readonly logs: Logs
  readonly log: Log
  readonly now: () => Date
}

export function createFunctions(deps: FunctionsDeps): Functions {
  const { workshop, desk, records, secrets, bundles, users, logs, log, now } = deps
  const { settings } = workshop
  const all = new Map<string, LocalFunction>()
  /** Removed, and not gone yet. */
  const leaving = new Set<LocalFunction>()
  const listeners = new Set<(change: RouteChange) => void>()
  let collectTimer: NodeJS.Timeout | undefined
  /** All functions are known: what none of them uses is of no use. */
  let isComplete = false

  const find = (ref: FunctionRef): LocalFunction => {
    const found = all.get(serviceName(ref))
    if (found) return found
    throw new BrambleError('NOT_FOUND', `function ${ref.name} is not deployed in namespace ${ref.namespace}`)
  }
  const alone = <T>(ref: FunctionRef, body: () => Promise<T>): Promise<T> => desk.alone(ref.namespace, `function ${ref.name}`, body)

  const tell = (listener: (change: RouteChange) => void, ref: FunctionRef, route: Route | undefined): void => {
    try {
      listener({ ref, route })
    } catch (error) {
      log.error('a watcher of routes failed', { function: ref.name, error: reasonOf(error) })
    }
  }

  const collect = async (): Promise<void> => {
    const used = new Set([...all.values(), ...leaving].flatMap((one) => one.bundles()))
    for (const id of await bundles.collect((one) => used.has(one))) await workshop.rooms.forgetBundle(id)
  }
  const collectSoon = (): void => {
    clearTimeout(collectTimer)
    if (!isComplete) return
    collectTimer = setTimeout(() => {
      collect().catch((error: unknown) => log.warn('unused bundles could not be removed', { error: reasonOf(error) }))
    }, settings.collectAfterMs)
    collectTimer.unref()
  }

  const open = (record: FunctionRecord): LocalFunction => {
    const { name, namespace } = record.target.spec
    const ref: FunctionRef = { name, namespace }
    const made: LocalFunction = createFunction({
      workshop, record,
      output: logs.open(ref),
      log: log.child({ function: name, namespace }),
      secretsOf: secrets.valuesOf,
      publish: (route) => { for (const listener of listeners) tell(listener, ref, route) },
      onOutcome: () => keepOutcome(ref),
      onReplicaGone: collectSoon,
    })
    all.set(serviceName(ref), made)
    made.converge()
    return made
  }

  /** How an update ended is written down after the fact: nobody waits for it. */
  const keepOutcome = (ref: FunctionRef): void => {
    if (!desk.isOpen()) return
    alone(ref, async () => {
      const one = all.get(serviceName(ref))
      if (one) await records.put(one.record())
    }).catch((error: unknown) => {
      log.error('the outcome of an update could not be stored', { function: ref.name, namespace: ref.namespace, error: reasonOf(error) })
    })
  }

  const retire = (one: LocalFunction): void => {
    all.delete(serviceName(one.ref))
    leaving.add(one)
    const { user } = one.record()
    void one.retire().then(() => {
      leaving.delete(one)
      if (user !== undefined) users?.giveBack(user)
      collectSoon()
    })
  }

  /** The replicas follow while the disk is being written; if it refuses, they go back. */
  const changeDurably = async (one: LocalFunction, next: Partial<FunctionRecord>, isRetry = false): Promise<void> => {
    const { target, replicas, failure } = one.record()
    one.change({ ...one.record(), ...next }, { isRetry })
    try {
      await records.put(one.record())
    } catch (error) {
      one.change({ ...one.record(), target, replicas, failure })
      throw error
    }
  }

  const deploy = async (target: Revision): Promise<void> => {
    const one = all.get(serviceName(target.spec))
    const min = readScaleLabels(target.spec.labels).min
    if (one) {
      const present = one.record()
      const hasMin = target.spec.labels['com.openfaas.scale.min'] !== undefined
      const replicas = hasMin ? Math.max(present.replicas, min) : present.replicas
      checkVolume(target.spec, replicas, 'replicas')
      const isSame = present.target.id === target.id && present.replicas === replicas && present.failure === undefined
      // Nothing to write, but what keeps failing is tried again at once.
      if (isSame && records.isSettled(functionKeyOf(present))) one.change(present, { isRetry: true })
      else await changeDurably(one, { target, replicas, failure: undefined }, true)
      return
    }
    if (all.size >= settings.maxFunctions) {
      throw new BrambleError('UNAVAILABLE', `there are ${all.size} functions, and no more are allowed: remove some`)
    }
    const made = open({ target, replicas: min, createdAt: now(), user: users?.take(), lastGood: undefined, failure: undefined })
    try {
      await records.put(made.record())
    } catch (error) {
      retire(made)
      throw error
    }
  }

  const erase = async (one: LocalFunction): Promise<void> => {
    await records.remove(serviceName(one.ref))
    retire(one)
  }

  return {
    async load(bundleIds, removedNamespaces) {
      const found = await records.load()
      for (const record of found) if (record.user !== undefined) users?.claim(record.user)
      for (const record of found) {
        if (removedNamespaces.includes(record.target.spec.namespace)) {
          await records.remove(functionKeyOf(record))
          continue
        }
        const user = users && (record.user !== undefined && users.has(record.user) ? record.user : users.take())
        const lastGood = record.lastGood && bundleIds.has(record.lastGood.bundle) ? record.lastGood : undefined
        const present = { ...record, user, lastGood }
        if (user !== record.user) await records.put(present)
        open(present)
      }
      isComplete = true
      collectSoon()
    },

    async stop() {
      isComplete = false
      clearTimeout(collectTimer)
      await Promise.all([...all.values(), ...leaving].map((one) => one.stop()))
      all.clear()
      listeners.clear()
    },

    namespaces: () => new Set([...all.values()].map((one) => one.ref.namespace)),

    async removeAll(namespace) {
      for (const one of all.values()) if (one.ref.namespace === namespace) await erase(one)
    },

    watch(listener) {
      listeners.add(listener)
      for (const one of all.values()) tell(listener, one.ref, one.route())
      return () => { listeners.delete(listener) }
    },

    drained(instance) {
      for (const one of [...all.values(), ...leaving]) one.drained(instance)
    },

    async apply(spec) {
      checkSpec(spec, settings.maxReplicas)
      await alone(spec, async () => {
        if (!desk.hasNamespace(spec.namespace)) {
          throw new BrambleError('INVALID', `namespace ${spec.namespace} of function ${spec.name} does not exist: create it first`)
        }
        const held = await bundles.take(spec.image, isTemplateProcess(spec) ? TEMPLATE_ENTRY : undefined)
        try {
          desk.checkOpen()
          const ignored = ignoredVariables(spec)
          if (ignored.length > 0) {
            log.warn('variables that the platform sets itself are ignored', { function: spec.name, namespace: spec.namespace, names: ignored })
          }
          await deploy(createRevision({ spec, bundle: held.id, secrets: secrets.hashesOf(spec) }))
        } finally {
          held.release()
        }
      })
      collectSoon()
    },

    async list(namespace) {
      desk.checkNamespace(namespace)
      return [...all.values()].filter((one) => one.ref.namespace === namespace)
        .sort((a, b) => (a.ref.name < b.ref.name ? -1 : 1))
        .map((one) => one.status())
    },

    async get(ref, options) {
      const one = all.get(serviceName(ref))
      if (!one) return undefined
      return options?.withUsage ? { ...one.status(), usage: await workshop.meter.usage(one.pids()) } : one.status()
    },

    async scale(ref, replicas) {
      checkReplicas(replicas, settings.maxReplicas, 'replicas')
      await alone(ref, async () => {
        const one = find(ref)
        checkVolume(one.record().target.spec, replicas, 'replicas')
        if (one.record().replicas === replicas && records.isSettled(serviceName(ref))) return
        await changeDurably(one, { replicas })
      })
    },

    remove: (ref) => alone(ref, () => erase(find(ref))),

    metricsOf: (ref) => all.get(serviceName(ref))?.route().endpoints.map(({ metricsPort = 0, ...endpoint }) => ({ ...endpoint, port: metricsPort })),

    async *logs(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogMessage> {
      yield* find(query).read(query, signal)
    },
  }
}

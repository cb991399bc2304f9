/**
 * One function: brings its replicas to what was asked for. `converge` looks at what is, lets `plan` decide, and acts;
 * it runs after every event and may run at any time.
 */
import { randomBytes } from 'node:crypto'
import { backoffMs } from '../../lib/backoff.ts'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef, FunctionSpec, FunctionStatus } from '../../openfaas/types.ts'
import type { Endpoint, Route } from '../provider.ts'
import { conditionsOf, type Trouble } from './conditions.ts'
import type { Exit } from './exit.ts'
import type { FunctionLogs, LogWriter } from './logs.ts'
import { drainMsOf } from './patience.ts'
import { plan } from './plan.ts'
import { startReplica, type Replica, type Workshop } from './replica.ts'
import type { Revision } from './revision.ts'
import type { FunctionRecord } from './store.ts'

export type LocalFunction = {
  readonly ref: FunctionRef
  /** What was asked for, and what came of it. */
  record(): FunctionRecord
  /** Asks for something else; the replicas follow. `isRetry` forgets what failed before: it starts at once. */
  change(next: FunctionRecord, options?: { readonly isRetry?: boolean }): void
  /** Looks at what is and acts; called once at the beginning, then it keeps itself going. */
  converge(): void
  route(): Route
  status(): FunctionStatus
  pids(): readonly number[]
  /** Snapshots that its replicas run from or may be started from. */
  bundles(): readonly string[]
  drained(instance: string): void
  read: FunctionLogs['read']
  /** It is removed: its route goes at once, its replicas drain. Resolves when nothing is left of it. */
  retire(): Promise<void>
  /** The platform stops: all replicas end now. */
  stop(): Promise<void>
}

export type FunctionDeps = {
  readonly workshop: Workshop
  readonly record: FunctionRecord
  readonly output: FunctionLogs
  readonly log: Log
  /** The values of the secrets a spec names; throws when one is gone. */
  readonly secretsOf: (spec: FunctionSpec) => ReadonlyMap<string, Uint8Array>
  readonly publish: (route: Route | undefined) => void
  /** An update succeeded or failed: the record is worth keeping. */
  readonly onOutcome: () => void
  readonly onReplicaGone: () => void
}

/** `draining` has calls left, `ending` has been told to end; neither gets new calls, nor is it seen by `plan`. */
type Member = {
  readonly replica: Replica
  readonly output: LogWriter
  phase: 'starting' | 'ready' | 'ended' | 'draining' | 'ending'
  /** Drain deadline, or the moment from which it counts as stable. */
  timer?: NodeJS.Timeout
}

export function createFunction(deps: FunctionDeps): LocalFunction {
  const { workshop, output, log, publish, onOutcome } = deps
  const { settings, nowMs } = workshop
  const { name, namespace } = deps.record.target.spec
  const ref: FunctionRef = { name, namespace }
  const members = new Map<string, Member>()
  const troubles = new Map<string, Trouble>()
  const secretValues = new Map<string, ReadonlyMap<string, Uint8Array>>()
  let record = deps.record
  /** Replicas of the serving revision when the update began. */
  let kept = record.lastGood && record.lastGood.id !== record.target.id ? record.replicas : 0
  let route: Route = { ref, replicas: record.replicas, endpoints: [] }
  let isRouteShown = false
  let wakeTimer: NodeJS.Timeout | undefined
  let life: 'running' | 'retired' | 'stopped' = 'running'
  let isRouteGone = false

  const goal = (): Revision => (record.failure && record.lastGood ? record.lastGood : record.target)
  const serving = (): Revision => record.lastGood ?? goal()
  const isActive = (member: Member): boolean => member.phase !== 'draining' && member.phase !== 'ending'
  const active = (): Member[] => [...members.values()].filter(isActive)
  const wanted = (): number => (life === 'running' ? record.replicas : 0)

  const converge = (): void => {
    if (life === 'stopped') return
    const decided = plan({
      replicas: active().map(({ replica, phase }) => ({
        instance: replica.instance, revision: replica.revision.id,
        phase: phase === 'ready' || phase === 'ended' ? phase : 'starting',
      })),
      wanted: wanted(), target: goal().id, serving: serving().id, kept, step: settings.updateStep,
    })
    const isFirst = record.lastGood === undefined && active().some(isReadyOf(goal()))
    if (life === 'running' && (isFirst || (decided.isUpdated && isUpdating()))) {
      record = { ...record, lastGood: goal() }
      log.info('version is ready', { replicas: wanted() })
      onOutcome()
      return converge()
    }
    const leaving = decided.leave.flatMap((instance) => members.get(instance) ?? []).filter(isActive)
    const wereRouted = new Set(route.endpoints.map((endpoint) => endpoint.instance))
    for (const member of leaving) {
      clearTimeout(member.timer)
      member.phase = wereRouted.has(member.replica.instance) ? 'draining' : 'ending'
    }
    showRoute(decided.route)
    for (const member of leaving) {
      if (member.phase === 'draining') {
        member.timer = setTimeout(() => endMember(member), drainMsOf(member.replica.revision.spec, settings))
      } else endMember(member)
    }
    for (const { revision, count } of decided.start) startMembers(revision === goal().id ? goal() : serving(), count)
    watchTime()
  }

  const isReadyOf = (revision: Revision) => (member: Member): boolean =>
    member.phase === 'ready' && member.replica.revision.id === revision.id

  const showRoute = (instances: readonly string[]): void => {
    if (isRouteGone) return
    const endpoints = instances.flatMap((instance): Endpoint[] => {
      const endpoint = members.get(instance)?.replica.endpoint()
      return endpoint ? [endpoint] : []
    })
    const isSame = route.replicas === wanted() && route.endpoints.length === endpoints.length &&
      endpoints.every((endpoint, index) => endpoint === route.endpoints[index])
    if (isSame && isRouteShown && life === 'running') return
    isRouteShown = true
    isRouteGone = life !== 'running'
    route = { ref, replicas: wanted(), endpoints }
    publish(isRouteGone ? undefined : route)
  }

  const endMember = (member: Member): void => {
    clearTimeout(member.timer)
    member.phase = 'ending'
    member.replica.end()
  }

  const startMembers = (revision: Revision, count: number): void => {
    const trouble = troubles.get(revision.id)
    if (trouble && trouble.restartAtMs > nowMs()) return
    for (let index = 0; index < count; index++) startMember(revision)
  }

  /** As they were when the revision was first started: a restart must not bring a mixture. */
  const secretsOf = (revision: Revision): ReadonlyMap<string, Uint8Array> => {
    const known = secretValues.get(revision.id) ?? deps.secretsOf(revision.spec)
    secretValues.set(revision.id, known)
    return known
  }

  const startMember = (revision: Revision): void => {
    const instance = `${name}-${randomBytes(5).toString('hex')}`
    const writer = output.writer(instance)
    const replica = startReplica(
      workshop,
      { instance, revision, user: record.user, secrets: () => secretsOf(revision), output: writer },
      {
        onReady: () => becomeReady(member),
        onDown: () => {
          if (isActive(member)) member.phase = 'ended'
          // At once, and before anything else: no more calls may go there.
          showRoute(route.endpoints.map((endpoint) => endpoint.instance).filter((one) => one !== instance))
        },
        onExit: (exit) => noteExit(member, exit),
      },
    )
    const member: Member = { replica, output: writer, phase: 'starting' }
    members.set(instance, member)
    void replica.gone.then(() => {
      clearTimeout(member.timer)
      members.delete(instance)
      deps.onReplicaGone()
      converge()
    })
  }

  const becomeReady = (member: Member): void => {
    if (member.phase !== 'starting') return
    member.phase = 'ready'
    const { instance, revision } = member.replica
    log.info('replica is ready', { instance, ms: nowMs() - (member.replica.spawnedAtMs() ?? nowMs()) })
    member.timer = setTimeout(() => {
      const trouble = troubles.get(revision.id)
      if (trouble) troubles.set(revision.id, { ...trouble, failures: 0, startFailures: 0, portTries: 0 })
    }, settings.stableAfterMs)
    converge()
  }

  /** Only for ends nobody asked for. */
  const noteExit = (member: Member, exit: Exit): void => {
    log.warn('replica ended by itself', { instance: exit.instance, cause: exit.cause, reason: exit.text })
    if (!isActive(member)) return
    members.delete(exit.instance)
    const id = member.replica.revision.id
    const before = troubles.get(id)
    const isPort = exit.cause === 'port-taken' && (before?.portTries ?? 0) < settings.maxPortTries
    const failures = (before?.failures ?? 0) + (isPort ? 0 : 1)
    const wasReady = member.replica.endpoint() !== undefined
    troubles.set(id, {
      failures,
      startFailures: (before?.startFailures ?? 0) + (isPort || wasReady ? 0 : 1),
      portTries: isPort ? (before?.portTries ?? 0) + 1 : 0,
      last: exit,
      lastAtMs: nowMs(),
      restartAtMs: nowMs() + backoffMs(failures, { firstMs: settings.restartFirstMs, maxMs: settings.restartMaxMs }),
    })
    const tooOften = (troubles.get(id)?.startFailures ?? 0) >= settings.maxStartFailures
    if (isUpdating() && id === goal().id && tooOften) failUpdate(exit.text, exit.lastLines)
    converge()
  }

  const isUpdating = (): boolean => serving().id !== goal().id

  const failUpdate = (why: string, lastLines: readonly string[]): void => {
    const message = `the version deployed last does not become ready: ${why}; the one before serves on`
    record = { ...record, failure: { message, lastLines } }
    log.error('update failed', { reason: why })
    onOutcome()
  }

  /** Looks again when a restart is due, or a start has taken too long. */
  const watchTime = (): void => {
    clearTimeout(wakeTimer)
    const now = nowMs()
    const dues: number[] = []
    for (const trouble of [troubles.get(goal().id), troubles.get(serving().id)]) {
      if (trouble && trouble.restartAtMs > now) dues.push(trouble.restartAtMs)
    }
    if (isUpdating()) {
      for (const { replica, phase } of active()) {
        if (phase !== 'starting' || replica.revision.id !== goal().id) continue
        dues.push((replica.spawnedAtMs() ?? now) + settings.readyDeadlineMs)
      }
    }
    if (dues.length === 0 || life === 'stopped') return
    wakeTimer = setTimeout(onTime, Math.max(1, Math.min(...dues) - now))
  }

  const onTime = (): void => {
    const late = isUpdating() ? active().find(({ replica, phase }) => phase === 'starting' &&
      replica.revision.id === goal().id && nowMs() - (replica.spawnedAtMs() ?? nowMs()) >= settings.readyDeadlineMs) : undefined
    if (late) {
      const why = `replica ${late.replica.instance} is not ready after ${settings.readyDeadlineMs / 1000} s: ${late.replica.whyNotReady()}`
      failUpdate(why, late.output.last(LAST_LINES))
    }
    converge()
  }

  const everyoneGone = async (): Promise<void> => {
    await Promise.all([...members.values()].map((member) => member.replica.gone))
    output.close()
  }

  return {
    ref,
    converge,
    record: () => record,
    change(next, options) {
      const wasUpdatingTo = isUpdating() ? goal().id : undefined
      record = next
      if (options?.isRetry) troubles.delete(goal().id)
      if (isUpdating() && goal().id !== wasUpdatingTo) {
        kept = active().filter((member) => member.replica.revision.id === serving().id).length
      }
      kept = Math.min(kept, record.replicas)
      for (const one of [troubles, secretValues]) {
        for (const id of one.keys()) if (id !== record.target.id && id !== record.lastGood?.id) one.delete(id)
      }
      converge()
    },
    route: () => route,
    status() {
      const now = nowMs()
      return {
        spec: record.target.spec,
        replicas: record.replicas,
        availableReplicas: route.endpoints.length,
        createdAt: record.createdAt,
        conditions: conditionsOf({
          nowMs: now,
          wanted: record.replicas,
          ready: route.endpoints.length,
          failure: record.failure,
          trouble: troubles.get(goal().id),
          starting: active().filter((member) => member.phase === 'starting').map(({ replica }) => ({
            instance: replica.instance, ageMs: now - (replica.spawnedAtMs() ?? now), why: replica.whyNotReady(),
          })),
          readyDeadlineMs: settings.readyDeadlineMs,
          showOutOfMemoryMs: settings.showOutOfMemoryMs,
          lastLinesOf: (instance) => members.get(instance)?.output.last(LAST_LINES) ?? [],
        }),
      }
    },
    pids: () => [...members.values()].flatMap(({ replica }) => replica.pid() ?? []),
    bundles: () => [
      record.target.bundle, ...(record.lastGood ? [record.lastGood.bundle] : []),
      ...[...members.values()].map(({ replica }) => replica.revision.bundle),
    ],
    drained(instance) {
      const member = members.get(instance)
      if (member?.phase === 'draining') endMember(member)
    },
    read: output.read,
    async retire() {
      if (life === 'running') life = 'retired'
      converge()
      await everyoneGone()
    },
    async stop() {
      life = 'stopped'
      clearTimeout(wakeTimer)
      for (const member of members.values()) {
        clearTimeout(member.timer)
        member.replica.end(settings.stopMs)
      }
      await everyoneGone()
    },
  }
}

/** Shown with a condition. */
const LAST_LINES = 20

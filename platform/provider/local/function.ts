/**
 * One function: brings its replicas to what was asked for. `converge` looks at what is, lets `plan` decide, and acts;
 * it runs after every event and may run at any time.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef, FunctionSpec, FunctionStatus } from '../../openfaas/types.ts'
import type { Route } from '../provider.ts'
import { conditionsOf } from './conditions.ts'
import type { Exit } from './exit.ts'
import type { FunctionLogs, LogWriter } from './logs.ts'
import { drainMsOf } from './patience.ts'
import { plan } from './plan.ts'
import { startReplica, type Replica, type Workshop } from './replica.ts'
import { hasVolume, type Revision } from './revision.ts'
import { createShownRoute } from './shown-route.ts'
import type { FunctionRecord } from './store.ts'
import { createTroubles } from './troubles.ts'

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
  const { workshop, output, log, onOutcome } = deps
  const { settings, nowMs } = workshop
  const { name, namespace } = deps.record.target.spec
  const ref: FunctionRef = { name, namespace }
  const members = new Map<string, Member>()
  const troubles = createTroubles(settings, nowMs)
  const secretValues = new Map<string, ReadonlyMap<string, Uint8Array>>()
  let record = deps.record
  /** Replicas of the serving revision when the update began. */
  let kept = record.lastGood && record.lastGood.id !== record.target.id ? record.replicas : 0
  const route = createShownRoute(ref, record.replicas, deps.publish)
  let wakeTimer: NodeJS.Timeout | undefined
  /** Starts wait for their time: somebody must look again, even when that time has come meanwhile. */
  let isHeldBack = false
  let life: 'running' | 'retired' | 'stopped' = 'running'

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
      isHandedOver: hasVolume(goal()) || hasVolume(serving()),
    })
    const isFirst = record.lastGood === undefined && active().some(isReadyOf(goal()))
    if (life === 'running' && (isFirst || (decided.isUpdated && isUpdating()))) {
      record = { ...record, lastGood: goal() }
      log.info('version is ready', { replicas: wanted() })
      onOutcome()
      return converge()
    }
    const leaving = decided.leave.flatMap((instance) => members.get(instance) ?? []).filter(isActive)
    const draining = leaving.filter((member) => route.has(member.replica.instance))
    for (const member of draining) {
      clearTimeout(member.timer)
      member.phase = 'draining'
      member.timer = setTimeout(() => endMember(member), drainMsOf(member.replica.revision.spec, settings))
    }
    showRoute(decided.route)
    for (const member of leaving) if (!draining.includes(member)) endMember(member)
    isHeldBack = false
    for (const { revision, count } of decided.start) startMembers(revision === goal().id ? goal() : serving(), count)
    watchTime()
  }

  const isReadyOf = (revision: Revision) => (member: Member): boolean =>
    member.phase === 'ready' && member.replica.revision.id === revision.id

  const showRoute = (instances: readonly string[]): void => {
    if (life === 'retired') return route.hide()
    // A platform that stops does not remove its functions.
    if (life === 'running') route.show(wanted(), instances.flatMap((instance) => members.get(instance)?.replica.endpoint() ?? []), serving().spec)
  }

  const endMember = (member: Member): void => {
    clearTimeout(member.timer)
    member.phase = 'ending'
    member.replica.end()
  }

  const startMembers = (revision: Revision, count: number): void => {
    // The one before may still write. When it is gone, this is looked at again.
    if (hasVolume(revision) && members.size > 0) return
    if (troubles.waitMs(revision.id) > 0) {
      isHeldBack = true
      return
    }
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
          showRoute(route.current().endpoints.map((endpoint) => endpoint.instance).filter((one) => one !== instance))
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
    member.timer = setTimeout(() => troubles.calm(revision.id), settings.stableAfterMs)
    converge()
  }

  /** Only for ends nobody asked for. */
  const noteExit = (member: Member, exit: Exit): void => {
    log.warn('replica ended by itself', { instance: exit.instance, cause: exit.cause, reason: exit.text })
    if (!isActive(member)) return
    members.delete(exit.instance)
    const id = member.replica.revision.id
    const { startFailures } = troubles.note(id, exit, member.replica.endpoint() !== undefined)
    if (isUpdating() && id === goal().id && startFailures >= settings.maxStartFailures) failUpdate(exit.text, exit.lastLines)
    converge()
  }

  const isUpdating = (): boolean => serving().id !== goal().id

  const failUpdate = (why: string, lastLines: readonly string[]): void => {
    const message = `the version deployed last does not become ready: ${why}; the one before serves on`
    record = { ...record, failure: { message, lastLines } }
    log.error('update failed', { reason: why })
    onOutcome()
  }

  /** How long until a starting replica of the new version has had all the time it gets. */
  const timeLeftMs = ({ replica, phase }: Member): number =>
    !isUpdating() || phase !== 'starting' || replica.revision.id !== goal().id ? Infinity
      : (replica.spawnedAtMs() ?? nowMs()) + settings.readyDeadlineMs - nowMs()

  /** Looks again when a restart is due, or a start has taken too long. */
  const watchTime = (): void => {
    clearTimeout(wakeTimer)
    const restarts = [goal(), serving()].map(({ id }) => troubles.waitMs(id)).filter((waitMs) => waitMs > 0)
    if (isHeldBack && restarts.length === 0) restarts.push(0)
    const waitMs = Math.min(...restarts, ...active().map(timeLeftMs))
    if (life !== 'stopped' && waitMs < Infinity) wakeTimer = setTimeout(onTime, Math.max(1, waitMs))
  }

  const onTime = (): void => {
    const late = active().find((member) => timeLeftMs(member) <= 0)
    if (late) {
      const { instance, whyNotReady } = late.replica
      failUpdate(`replica ${instance} is not ready after ${settings.readyDeadlineMs / 1000} s: ${whyNotReady()}`, late.output.last(LAST_LINES))
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
      if (options?.isRetry) troubles.forget(goal().id)
      if (isUpdating() && goal().id !== wasUpdatingTo) {
        kept = active().filter((member) => member.replica.revision.id === serving().id).length
      }
      kept = Math.min(kept, record.replicas)
      const ids = [record.target.id, serving().id]
      troubles.keepOnly(ids)
      for (const id of secretValues.keys()) if (!ids.includes(id)) secretValues.delete(id)
      converge()
    },
    route: route.current,
    status() {
      const now = nowMs()
      return {
        spec: record.target.spec,
        replicas: record.replicas,
        availableReplicas: route.current().endpoints.length,
        createdAt: record.createdAt,
        conditions: conditionsOf({
          nowMs: now,
          wanted: record.replicas,
          ready: route.current().endpoints.length,
          isUpdating: isUpdating(),
          failure: record.failure,
          trouble: troubles.of(goal().id),
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

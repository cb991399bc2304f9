/** Which replicas take calls: follows the pods, asks new ones itself, and tells watchers each change of a route. */
import { isDeepStrictEqual } from 'node:util'
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { readAffinity } from '../../openfaas/affinity.ts'
import { readReadyPath } from '../../openfaas/labels.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { Endpoint, Route, RouteChange } from '../provider.ts'
import type { Cluster } from './cluster.ts'
import { FUNCTION_PORT, METRICS_PORT } from './names.ts'
import type { PodView } from './objects.ts'
import type { Prober } from './probe.ts'
import { chooseRoute, instanceOf, isCandidate, isWorthAsking } from './routes.ts'

export type Rotation = {
  /** Something about the function has changed. */
  update(ref: FunctionRef): void
  isServing(pod: PodView): boolean
  shownRevision(ref: FunctionRef): string | undefined
  watch(listener: (change: RouteChange) => void): () => void
  /** Where the replicas of a function that take calls show their own metrics. */
  metricsOf(ref: FunctionRef): readonly Endpoint[] | undefined
  /** All questions end; nothing is told any more. */
  stop(): void
}

/** One life of a pod's container. */
type Life = {
  readonly restarts: number
  readonly endpoint: Endpoint
  isServing: boolean
  wasReady: boolean
  wasContainerReady: boolean
  wasRunning: boolean
  stopAsking: (() => void) | undefined
}
type Shown = { readonly route: Route; readonly revision: string | undefined }

export function createRotation({ cluster, prober, log }: { cluster: () => Cluster; prober: Prober; log: Log }): Rotation {
  /** By function, then by pod uid. */
  const lives = new Map<string, Map<string, Life>>()
  const shown = new Map<string, Shown>()
  const listeners = new Set<(change: RouteChange) => void>()

  const tell = (listener: (change: RouteChange) => void, change: RouteChange): void => {
    try {
      listener(change)
    } catch (error) {
      log.error('a watcher of routes failed', { function: change.ref.name, error: reasonOf(error) })
    }
  }

  const lifeOf = (all: Map<string, Life>, pod: PodView, host: string): Life => {
    const found = all.get(pod.uid)
    if (found && found.restarts === pod.restarts && found.endpoint.host === host) return found
    found?.stopAsking?.()
    const life: Life = {
      restarts: pod.restarts,
      endpoint: { instance: instanceOf(pod), host, port: FUNCTION_PORT },
      isServing: false,
      wasReady: false,
      wasContainerReady: false,
      wasRunning: false,
      stopAsking: undefined,
    }
    all.set(pod.uid, life)
    return life
  }

  const doubt = (ref: FunctionRef, life: Life, path: string | undefined): void => {
    void prober.ask({ host: life.endpoint.host, port: FUNCTION_PORT, path }).then((isServing) => {
      if (isServing) return
      life.isServing = false
      rotation.update(ref)
    })
  }

  const follow = (ref: FunctionRef, life: Life, pod: PodView, incarnation: string, path: string | undefined): void => {
    const hasFailed = (life.wasContainerReady && !pod.isContainerReady) || (life.wasRunning && !pod.isRunning)
    if (hasFailed) life.isServing = false
    // The kubelet has asked: when the platform was started again, or when its own question is still under way. Before the
    // next event, with which Kubernetes may take the old replica away.
    else if (!life.wasReady && pod.isReady) life.isServing = true
    // Kubernetes has not heard of the node for a while, or has only just begun to listen again: we ask for ourselves.
    else if (life.isServing && life.wasReady && !pod.isReady) doubt(ref, life, path)
    life.wasReady = pod.isReady
    life.wasContainerReady = pod.isContainerReady
    life.wasRunning = pod.isRunning
    if (life.isServing || !isCandidate(pod, incarnation) || !isWorthAsking(pod)) {
      life.stopAsking?.()
      life.stopAsking = undefined
    } else if (!life.stopAsking) {
      life.stopAsking = prober.watch({ host: life.endpoint.host, port: FUNCTION_PORT, path }, () => {
        life.stopAsking = undefined
        life.isServing = true
        rotation.update(ref)
      })
    }
  }

  const forget = (key: string, keep: ReadonlySet<string>): void => {
    const all = lives.get(key)
    for (const [uid, life] of all ?? []) {
      if (keep.has(uid)) continue
      life.stopAsking?.()
      all?.delete(uid)
    }
    if (all?.size === 0) lives.delete(key)
  }

  const show = (ref: FunctionRef, next: Shown | undefined): void => {
    const key = serviceName(ref)
    const before = shown.get(key)
    if (next) shown.set(key, next)
    else shown.delete(key)
    if (before === next || (before && next && isSameRoute(before.route, next.route))) return
    for (const listener of listeners) tell(listener, { ref, route: next?.route })
  }

  const rotation: Rotation = {
    update(ref) {
      const key = serviceName(ref)
      const deployment = cluster().deployment(ref)
      if (!deployment) {
        forget(key, new Set())
        show(ref, undefined)
        return
      }
      const pods = cluster().pods(ref)
      const all = lives.get(key) ?? new Map<string, Life>()
      lives.set(key, all)
      const path = readReadyPath(deployment.spec.annotations)
      for (const pod of pods) if (pod.ip !== undefined) follow(ref, lifeOf(all, pod, pod.ip), pod, deployment.incarnation, path)
      forget(key, new Set(pods.map(({ uid }) => uid)))
      const { revision, pods: chosen } = chooseRoute({
        deployment, pods, shown: shown.get(key)?.revision, isServing: (pod) => all.get(pod.uid)?.isServing ?? false,
      })
      const endpoints = chosen.flatMap(({ uid }) => all.get(uid)?.endpoint ?? [])
      const affinity = readAffinity(deployment.spec.annotations)
      const route = { ref: { name: ref.name, namespace: ref.namespace }, replicas: deployment.replicas, endpoints, ...(affinity && { affinity }) }
      show(ref, { route, revision })
    },
    isServing: (pod) => lives.get(serviceName({ name: pod.functionName, namespace: pod.namespace }))?.get(pod.uid)?.isServing ?? false,
    shownRevision: (ref) => shown.get(serviceName(ref))?.revision,
    metricsOf: (ref) => shown.get(serviceName(ref))?.route.endpoints.map((endpoint) => ({ ...endpoint, port: METRICS_PORT })),
    watch(listener) {
      listeners.add(listener)
      for (const { route } of shown.values()) tell(listener, { ref: route.ref, route })
      return () => { listeners.delete(listener) }
    },
    stop() {
      listeners.clear()
      for (const key of lives.keys()) forget(key, new Set())
      shown.clear()
    },
  }
  return rotation
}

function isSameRoute(a: Route, b: Route): boolean {
  return a.replicas === b.replicas && a.endpoints.length === b.endpoints.length &&
    a.endpoints.every((endpoint, index) => endpoint === b.endpoints[index]) && isDeepStrictEqual(a.affinity, b.affinity)
}

/**
 * Who serves what, kept ready for the next call: fed with `RouteChange` messages, asked by name. It counts the calls
 * of each replica, and tells when one that has left its route has none any more.
 */
import { createFunctionSeries, type FunctionSeries } from '../metrics/invocations.ts'
import { serviceName } from '../openfaas/names.ts'
import { affinityText, type Affinity } from '../openfaas/affinity.ts'
import { DEFAULT_NAMESPACE, type FunctionRef } from '../openfaas/types.ts'
import type { Endpoint } from '../provider/provider.ts'
import { placeSeed } from './affinity.ts'
import { letOut, type Waiter } from './parking.ts'
import type { PlacedChange } from './places.ts'

/** One replica as the data path sees it. */
export type Replica = {
  readonly endpoint: Endpoint
  inFlight: number
  failures: number
  asideUntilMs: number
  isDraining: boolean
  /** Grows with all that comes from it. */
  heard: number
  /** Its board does not answer: it gets no calls. */
  isSilent: boolean
  /** Of its place among the replicas; only looked at where the function has an affinity. */
  placeSeed: number
  /** What it is told of its place and the others', so that it can drop what has moved away; only with an affinity. */
  placeText: string | undefined
  /** Gives the pooled connections back; set with the first call. */
  close: (() => void) | undefined
  /** Ends the calls on it, as if the connections had broken; set with the first call. */
  cut: ((reason: Error) => void) | undefined
}

/** One function as the data path sees it. */
export type Target = {
  readonly ref: FunctionRef
  readonly series: FunctionSeries
  wantedReplicas: number
  replicas: Replica[]
  /** What says which replica a call belongs to. */
  affinity: Affinity | undefined
  isRemoved: boolean
  /** Calls that wait for a replica, the first come first. */
  readonly waiting: Set<Waiter>
  /** Somebody has been asked to bring a replica up. */
  isWaking: boolean
}

export type Table = {
  apply(change: PlacedChange): void
  /** By `NAME` (default namespace) or `NAME.NAMESPACE`. */
  find(name: string): Target | undefined
  targets(): Iterable<Target>
  acquire(replica: Replica): void
  release(replica: Replica): void
}

export function createTable(deps: { readonly onDrained: (instance: string) => void }): Table {
  const byName = new Map<string, Target>()
  const byService = new Map<string, Target>()

  const retire = (replica: Replica): void => {
    replica.isDraining = true
    if (replica.inFlight === 0) finish(replica)
  }
  const finish = (replica: Replica): void => {
    replica.close?.()
    replica.close = undefined
    replica.cut = undefined
    deps.onDrained(replica.endpoint.instance)
  }

  return {
    apply({ ref, route }) {
      const key = serviceName(ref)
      const present = byService.get(key)
      if (route === undefined) {
        if (present === undefined) return
        byService.delete(key)
        byName.delete(key)
        if (ref.namespace === DEFAULT_NAMESPACE) byName.delete(ref.name)
        present.isRemoved = true
        for (const replica of present.replicas.splice(0)) retire(replica)
        letOut(present, 0)
        return
      }
      const target = present ?? {
        ref, series: createFunctionSeries(key), wantedReplicas: 0, replicas: [], affinity: undefined, isRemoved: false, waiting: new Set(),
        isWaking: false,
      }
      if (present === undefined) {
        byService.set(key, target)
        byName.set(key, target)
        if (ref.namespace === DEFAULT_NAMESPACE) byName.set(ref.name, target)
      }
      const readyBefore = target.replicas.length
      target.wantedReplicas = route.replicas
      const old = new Map(target.replicas.map((replica) => [replica.endpoint.instance, replica]))
      target.replicas = route.endpoints.map((endpoint) => old.get(endpoint.instance) ?? createReplica(endpoint))
      target.affinity = route.affinity
      const places = route.places ?? target.replicas.map((_, index) => index)
      const placesText = [...places].sort((a, b) => a - b).join(',')
      for (const [index, replica] of target.replicas.entries()) {
        old.delete(replica.endpoint.instance)
        const place = places[index] ?? index
        replica.placeSeed = placeSeed(place)
        replica.placeText = route.affinity && `${affinityText(route.affinity)} ${place}/${placesText}`
      }
      for (const replica of old.values()) retire(replica)
      letOut(target, readyBefore)
    },
    find: (name) => byName.get(name),
    targets: () => byService.values(),
    acquire: (replica) => { replica.inFlight++ },
    release(replica) {
      replica.inFlight--
      if (replica.isDraining && replica.inFlight === 0) finish(replica)
    },
  }
}

function createReplica(endpoint: Endpoint): Replica {
  return { endpoint, inFlight: 0, failures: 0, asideUntilMs: 0, isDraining: false, heard: 0, isSilent: false, placeSeed: 0, placeText: undefined, close: undefined, cut: undefined }
}

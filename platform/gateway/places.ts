/**
 * Which place each replica has in the ranking of `affinity.ts`. A replica keeps its place as long as it is in the route, and a
 * new one takes the first that is free: one that comes for one that was lost gets its keys, and takes no others'. Decided once,
 * by the control side, for every process of the data path.
 */
import { serviceName } from '../openfaas/names.ts'
import type { Route, RouteChange } from '../provider/provider.ts'

/** `places` in the order of `endpoints`; only where the route has an affinity. */
export type PlacedRoute = Route & { readonly places?: readonly number[] }
export type PlacedChange = Omit<RouteChange, 'route'> & { readonly route: PlacedRoute | undefined }

export function createPlaces(): (change: RouteChange) => PlacedChange {
  /** By function, then by instance. */
  const taken = new Map<string, ReadonlyMap<string, number>>()

  return ({ ref, route }) => {
    const key = serviceName(ref)
    if (route?.affinity === undefined) {
      taken.delete(key)
      return { ref, route }
    }
    const before = taken.get(key)
    const kept = new Set(route.endpoints.flatMap(({ instance }) => before?.get(instance) ?? []))
    let next = 0
    const now = new Map(route.endpoints.map(({ instance }) => {
      const present = before?.get(instance)
      if (present !== undefined) return [instance, present]
      while (kept.has(next)) next++
      return [instance, next++]
    }))
    taken.set(key, now)
    return { ref, route: { ...route, places: [...now.values()] } }
  }
}

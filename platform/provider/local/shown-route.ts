/** The route of one function as watchers know it: told only when it changes, and never again after it is gone. */
import { isDeepStrictEqual } from 'node:util'
import { readAffinity } from '../../openfaas/affinity.ts'
import type { FunctionRef, FunctionSpec } from '../../openfaas/types.ts'
import type { Endpoint, Route } from '../provider.ts'

export type ShownRoute = {
  current(): Route
  has(instance: string): boolean
  show(replicas: number, endpoints: readonly Endpoint[], spec: FunctionSpec): void
  /** The function is removed. */
  hide(): void
}

export function createShownRoute(ref: FunctionRef, replicas: number, publish: (route: Route | undefined) => void): ShownRoute {
  let route: Route = { ref, replicas, endpoints: [] }
  let state: 'unknown' | 'shown' | 'gone' = 'unknown'

  return {
    current: () => route,
    has: (instance) => route.endpoints.some((endpoint) => endpoint.instance === instance),
    show(nowReplicas, endpoints, { annotations }) {
      const affinity = readAffinity(annotations)
      const isSame = route.replicas === nowReplicas && route.endpoints.length === endpoints.length &&
        endpoints.every((endpoint, index) => endpoint === route.endpoints[index]) && isDeepStrictEqual(route.affinity, affinity)
      if (state === 'gone' || (state === 'shown' && isSame)) return
      state = 'shown'
      route = { ref, replicas: nowReplicas, endpoints, ...(affinity && { affinity }) }
      publish(route)
    },
    hide() {
      if (state === 'gone') return
      state = 'gone'
      route = { ref, replicas: 0, endpoints: [] }
      publish(undefined)
    },
  }
}

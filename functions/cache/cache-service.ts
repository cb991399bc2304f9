/** The cache service over a store: its routes, who may call them, and its description. */
import type { ListenerHandler } from '@bramble/runtime'
import { createService } from '@bramble/runtime/service/service'
import { serviceOnly } from '@bramble/runtime/service/token'
import { entryRoutes } from './entry-routes.ts'
import { groupRoutes } from './group-routes.ts'
import type { Leases } from './leases.ts'
import { createMovedKeys } from './moved-keys.ts'
import { PLACE_HEADER } from './placement.ts'
import type { Settings } from './settings.ts'
import { statsRoutes } from './stats-routes.ts'
import type { Store } from './store.ts'

export type CacheServiceDeps = {
  readonly store: Store
  readonly leases: Leases
  readonly settings: Settings
  readonly serviceToken: string
  /** What `/v1/stats` calls this replica. */
  readonly replica: string
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs: () => number
}

const VERSION = '0.1.0'

export function createCacheService({ store, leases, settings, serviceToken, replica, nowMs }: CacheServiceDeps): ListenerHandler {
  const deps = { store, leases, settings, nowMs }
  const authorize = serviceOnly(serviceToken)
  const noteReplicas = createMovedKeys({ store, leases })
  return createService<undefined>({
    title: 'Bramble cache', version: VERSION,
    description: 'Bytes with a content type, for a while, in memory. Keys are spread over replicas by the gateway; a group of keys lives on one.',
    schemes: { token: { type: 'http', scheme: 'bearer', description: 'The service token' } },
    authorize(request, route) {
      authorize(request, route)
      const header = request.headers[PLACE_HEADER]
      if (typeof header === 'string') noteReplicas(header)
    },
    routes: [...entryRoutes(deps), ...groupRoutes(deps), ...statsRoutes({ store, leases, replica, nowMs })],
  })
}

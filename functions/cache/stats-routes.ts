/** The numbers of this replica as JSON; for Prometheus they are in `cache-metrics.ts`. */
import { json } from '@bramble/runtime/service/answer'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import type { Leases } from './leases.ts'
import { Stats } from './shapes.ts'
import type { Store } from './store.ts'

export type StatsDeps = { readonly store: Store; readonly leases: Leases; readonly replica: string; readonly nowMs: () => number }

export function statsRoutes({ store, leases, replica, nowMs }: StatsDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const startedMs = nowMs()
  return [
    route({
      method: 'get', at: '/v1/stats', id: 'stats', tag: 'numbers', access: 'token', summary: 'The numbers of the replica that answers',
      answers: { 200: { description: 'Since it started, and as it is now', schema: Stats } },
      async handle() {
        const { limitBytes, staleHits, ...stats } = await store.stats()
        return json({
          replica, uptime_seconds: Math.round((nowMs() - startedMs) / 1000), ...stats, limit_bytes: limitBytes, stale_hits: staleHits,
          leases: leases.held(), waiting: leases.waiting(),
        })
      },
    }),
  ]
}

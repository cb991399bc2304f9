/** The numbers of this replica: as JSON, and for Prometheus. */
import { json } from '@bramble/runtime/service/answer'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import type { Leases } from './leases.ts'
import { Stats } from './shapes.ts'
import type { Store, StoreStats } from './store.ts'

export type StatsDeps = { readonly store: Store; readonly leases: Leases; readonly replica: string; readonly nowMs: () => number }

/** Prometheus text format. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

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
    route({
      method: 'get', at: '/v1/metrics', id: 'metrics', tag: 'numbers', access: 'token', summary: 'The same for Prometheus',
      answers: { 200: { description: 'Text format 0.0.4', type: METRICS_TYPE } },
      async handle() {
        return { status: 200, headers: { 'content-type': METRICS_TYPE }, body: metricsText(await store.stats(), leases) }
      },
    }),
  ]
}

function metricsText(stats: StoreStats, leases: Leases): string {
  const lines: string[] = []
  const add = (type: 'counter' | 'gauge', name: string, samples: Readonly<Record<string, number>>): void => {
    lines.push(`# TYPE cache_${name} ${type}`, ...Object.entries(samples).map(([labels, value]) => `cache_${name}${labels} ${value}`))
  }
  add('counter', 'reads_total', { '{result="hit"}': stats.hits, '{result="stale"}': stats.staleHits, '{result="miss"}': stats.misses })
  add('counter', 'writes_total', { '': stats.writes })
  add('counter', 'gone_total', { '{reason="removed"}': stats.removals, '{reason="evicted"}': stats.evictions, '{reason="expired"}': stats.expirations })
  add('gauge', 'entries', { '': stats.entries })
  add('gauge', 'bytes', { '': stats.bytes })
  add('gauge', 'limit_bytes', { '': stats.limitBytes })
  add('gauge', 'leases', { '': leases.held() })
  add('gauge', 'waiting', { '': leases.waiting() })
  return `${lines.join('\n')}\n`
}

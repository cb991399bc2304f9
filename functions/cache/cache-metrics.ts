/** What Prometheus is told beside the calls. */
import type { Metric, Sample } from '@bramble/runtime/service/metrics'
import type { Leases } from './leases.ts'
import type { StoreStats } from './store.ts'

export function cacheMetrics(stats: StoreStats, leases: Pick<Leases, 'held' | 'waiting'>): readonly Metric[] {
  return [
    counter('reads', 'Reads, by what they found.', by('result', { hit: stats.hits, stale: stats.staleHits, miss: stats.misses })),
    counter('writes', 'Entries written.', [{ value: stats.writes }]),
    counter('gone', 'Entries that went, by why.', by('reason', { removed: stats.removals, evicted: stats.evictions, expired: stats.expirations })),
    gauge('entries', 'Entries, with those whose time is over and that nobody has asked for since.', stats.entries),
    gauge('memory_bytes', 'What the entries take, as it is counted against max_memory.', stats.bytes),
    gauge('memory_limit_bytes', 'max_memory.', stats.limitBytes),
    gauge('leases', 'Entries that somebody is making.', leases.held()),
    gauge('waiting', 'Callers that wait for somebody who makes an entry.', leases.waiting()),
  ]
}

function counter(what: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `bramble_cache_${what}_total`, type: 'counter', help, samples }
}

function gauge(what: string, help: string, value: number): Metric {
  return { name: `bramble_cache_${what}`, type: 'gauge', help, samples: [{ value }] }
}

function by(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}

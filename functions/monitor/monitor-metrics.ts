/** What the monitor says about itself. */
import type { Metric, Sample } from '@bramble/runtime/service/metrics'
import type { CollectorStats } from './collect/log-collector.ts'
import type { LogStoreStats } from './logs/log-store.ts'

export function logMetrics(store: LogStoreStats, collector: CollectorStats | undefined): readonly Metric[] {
  return [
    gauge('log_lines', 'Lines that are kept.', store.lines),
    gauge('log_raw_bytes', 'Their bytes as they came.', store.rawBytes),
    gauge('log_disk_bytes', 'Their bytes on the disk.', store.diskBytes),
    counter('damaged_blocks', 'Blocks that could not be read.', [{ value: store.damaged }]),
    counter('disk_writes', 'Writes to the disk.', [{ value: store.writes }]),
    gauge('functions_followed', 'Functions whose logs are read.', collector?.following ?? 0),
    counter('lines_collected', 'Lines read from functions.', [{ value: collector?.collected ?? 0 }]),
    counter('lines_dropped', 'Lines that came faster than lines_per_second.', Array.from(collector?.dropped ?? [], ([name, value]) => ({ labels: { function_name: name }, value }))),
  ]
}

export function counter(what: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `bramble_monitor_${what}_total`, type: 'counter', help, samples }
}

export function gauge(what: string, help: string, value: number): Metric {
  return { name: `bramble_monitor_${what}`, type: 'gauge', help, samples: [{ value }] }
}

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

export type MetricFacts = {
  readonly metrics: { readonly diskBytes: number; readonly writes: number }
  readonly scraper: { readonly series: number; readonly dropped: number; readonly failures: number; readonly seconds: number }
  readonly watch: { readonly firing: number; readonly waiting: number; readonly sent: number; readonly failed: number }
  readonly remote: { readonly sent: number; readonly dropped: number; readonly waiting: number } | undefined
}

export function metricMetrics({ metrics, scraper, watch, remote }: MetricFacts): readonly Metric[] {
  return [
    gauge('metric_disk_bytes', 'Bytes of samples on the disk.', metrics.diskBytes),
    gauge('series', 'Series of the last moment.', scraper.series),
    gauge('scrape_seconds', 'How long the last round took.', scraper.seconds),
    counter('series_dropped', 'Samples beyond max_series.', [{ value: scraper.dropped }]),
    counter('scrape_failures', 'Targets that did not answer.', [{ value: scraper.failures }]),
    gauge('alerts_firing', 'Alerts that fire.', watch.firing),
    gauge('messages_waiting', 'Messages that are not delivered yet.', watch.waiting),
    counter('messages', 'Messages, by outcome.', [{ labels: { result: 'sent' }, value: watch.sent }, { labels: { result: 'failed' }, value: watch.failed }]),
    ...remote === undefined ? [] : [
      gauge('remote_write_waiting', 'Moments that are not sent yet.', remote.waiting),
      counter('remote_write_samples', 'Samples, by outcome.', [{ labels: { result: 'sent' }, value: remote.sent }, { labels: { result: 'dropped' }, value: remote.dropped }]),
    ],
  ]
}

function counter(what: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `bramble_monitor_${what}_total`, type: 'counter', help, samples }
}

function gauge(what: string, help: string, value: number): Metric {
  return { name: `bramble_monitor_${what}`, type: 'gauge', help, samples: [{ value }] }
}

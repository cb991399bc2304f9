/** What Prometheus is told beside the calls. */
import type { Metric } from '@bramble/runtime/service/metrics'
import type { Hooks } from './hooks.ts'
import type { Scrub } from './scrub.ts'

export type Transfers = { storedFiles: number; storedBytes: number }

export function filesMetrics({ transfers, hooks, scrub, freeBytes }: {
  readonly transfers: Transfers; readonly hooks: Hooks; readonly scrub: Scrub; readonly freeBytes: number
}): readonly Metric[] {
  const report = scrub.report()
  return [
    counter('stored_total', 'Versions of files that were stored.', transfers.storedFiles),
    counter('stored_bytes_total', 'Their bytes.', transfers.storedBytes),
    {
      name: 'bramble_files_thumbnail_calls_total', type: 'counter', help: 'Calls of the thumbnail function, by whether the gateway took them.',
      samples: [{ labels: { result: 'sent' }, value: hooks.counts().sent }, { labels: { result: 'failed' }, value: hooks.counts().failed }],
    },
    gauge('free_bytes', 'What the disk still takes.', freeBytes),
    gauge('damaged_contents', 'Contents that the last scrub has found damaged or missing.', (report?.damaged.length ?? 0) + (report?.missing.length ?? 0)),
  ]
}

function counter(what: string, help: string, value: number): Metric {
  return { name: `bramble_files_${what}`, type: 'counter', help, samples: [{ value }] }
}

function gauge(what: string, help: string, value: number): Metric {
  return { name: `bramble_files_${what}`, type: 'gauge', help, samples: [{ value }] }
}

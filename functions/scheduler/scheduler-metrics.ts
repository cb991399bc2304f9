/** What this replica counts. Pure. */
import type { Metric } from '@bramble/runtime/service/metrics'
import type { WorkerCounts } from './work/worker-counts.ts'

export function schedulerMetrics(counts: WorkerCounts, running: number): readonly Metric[] {
  const one = (value: number) => [{ value }]
  return [
    {
      name: 'bramble_scheduler_attempts_total', type: 'counter', help: 'Attempts that have ended, by what became of the run; "queued" is tried again.',
      samples: Object.entries(counts.ended).map(([state, value]) => ({ labels: { state }, value })),
    },
    { name: 'bramble_scheduler_attempts_begun_total', type: 'counter', help: 'Attempts begun.', samples: one(counts.begun) },
    { name: 'bramble_scheduler_attempts_late_seconds_total', type: 'counter', help: 'How late attempts were begun, in all.', samples: one(counts.lateMs / 1000) },
    { name: 'bramble_scheduler_running', type: 'gauge', help: 'Calls under way.', samples: one(running) },
    { name: 'bramble_scheduler_stale_results_total', type: 'counter', help: 'Results that were refused because another replica had the run.', samples: one(counts.stale) },
    { name: 'bramble_scheduler_taken_over_total', type: 'counter', help: 'Runs taken over from replicas that were not heard of.', samples: one(counts.takenOver) },
    { name: 'bramble_scheduler_looks_total', type: 'counter', help: 'Looks at what is due; they only read.', samples: one(counts.looks) },
    { name: 'bramble_scheduler_transactions_total', type: 'counter', help: 'Transactions that write, API calls not counted.', samples: one(counts.transactions) },
    { name: 'bramble_scheduler_renewals_total', type: 'counter', help: 'Renewals of the lease, among those.', samples: one(counts.renewals) },
  ]
}

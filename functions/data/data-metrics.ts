/** What the engine counts, for Prometheus. */
import type { Metric } from '@bramble/runtime/service/metrics'
import type { Engine } from './engine/engine.ts'
import type { DatabaseInfo, EngineCounts } from './engine/types.ts'

type Counter = { readonly name: string; readonly help: string; valueOf(counts: EngineCounts): number }

const counters: readonly Counter[] = [
  { name: 'queries_total', help: 'Queries.', valueOf: ({ queries }) => queries },
  { name: 'transactions_total', help: 'Transactions, migrations not counted.', valueOf: ({ transactions }) => transactions },
  { name: 'timeouts_total', help: 'Statements ended at their deadline.', valueOf: ({ timeouts }) => timeouts },
  { name: 'rebuilds_total', help: 'Databases rebuilt from snapshot and log after a deadline, a crash or a failed write.', valueOf: ({ rebuilds }) => rebuilds },
  { name: 'syncs_total', help: 'Syncs of the log.', valueOf: ({ syncs }) => syncs },
  { name: 'records_total', help: 'Changes made durable.', valueOf: ({ records }) => records },
  { name: 'written_bytes_total', help: 'Bytes written to the log.', valueOf: ({ writtenBytes }) => writtenBytes },
  { name: 'snapshots_total', help: 'Snapshots written.', valueOf: ({ snapshots }) => snapshots },
  { name: 'copied_bytes_total', help: 'Bytes written to the off-site copy.', valueOf: ({ copiedBytes }) => copiedBytes },
  { name: 'failed_copies_total', help: 'Rounds of the off-site copy that failed.', valueOf: ({ failedCopies }) => failedCopies },
]

type Gauge = { readonly name: string; readonly help: string; valueOf(info: DatabaseInfo): number | undefined }

const gauges: readonly Gauge[] = [
  { name: 'size_bytes', help: 'Of a database; 0 while it is closed.', valueOf: ({ sizeBytes }) => sizeBytes },
  { name: 'log_bytes', help: 'Of its log.', valueOf: ({ logBytes }) => logBytes },
  { name: 'snapshot_bytes', help: 'Of its snapshots.', valueOf: ({ snapshotBytes }) => snapshotBytes },
  { name: 'waiting', help: 'Statements that wait or run.', valueOf: ({ waiting }) => waiting },
  { name: 'damaged', help: '1 while it is not served because it is damaged.', valueOf: ({ state }) => state === 'damaged' ? 1 : 0 },
  { name: 'writes_refused', help: '1 while it takes no writes.', valueOf: ({ writesRefused }) => writesRefused === undefined ? 0 : 1 },
  { name: 'copy_age_seconds', help: 'Since everything was copied off-site.', valueOf: ({ copyAgeSeconds }) => copyAgeSeconds },
]

export function dataMetrics(engine: Pick<Engine, 'counts' | 'list'>): readonly Metric[] {
  const counts = engine.counts()
  const databases = engine.list()
  return [
    ...counters.map(({ name, help, valueOf }): Metric => ({ name: `bramble_data_${name}`, type: 'counter', help, samples: [{ value: valueOf(counts) }] })),
    ...gauges.map(({ name, help, valueOf }): Metric => ({
      name: `bramble_data_${name}`, type: 'gauge', help,
      samples: databases.flatMap((info) => {
        const value = valueOf(info)
        return value === undefined ? [] : [{ labels: { database: info.name }, value }]
      }),
    })),
  ]
}

/** What a replica counts while it works. */
export type WorkerCounts = {
  begun: number
  /** How late they began, in all. */
  lateMs: number
  readonly ended: Record<'succeeded' | 'dead' | 'cancelled' | 'queued', number>
  stale: number
  takenOver: number
  looks: number
  transactions: number
  renewals: number
}

export function createWorkerCounts(): WorkerCounts {
  return { begun: 0, lateMs: 0, ended: { succeeded: 0, dead: 0, cancelled: 0, queued: 0 }, stale: 0, takenOver: 0, looks: 0, transactions: 0, renewals: 0 }
}

/** Keeps the lease while this replica has runs, by a beat now and then; when none is taken in time, every call of it is ended. */
import type { Log } from '@bramble/runtime'
import type { Result, Statement } from '@bramble/runtime/service/database'
import { beatStatement } from '../store/claim.ts'
import type { CallsUnderWay } from './calls-under-way.ts'
import type { Lease } from './lease.ts'
import type { WorkerCounts } from './worker-counts.ts'

export type LeaseKeeper = {
  /** Ends every call where the lease is over, and looks again when it would be. */
  check(): void
  /** Goes on by itself while there are runs. */
  renewLater(): void
  stop(): void
}

export type LeaseKeeperDeps = {
  readonly owner: string
  readonly lease: Lease
  readonly renewEveryMs: number
  readonly running: CallsUnderWay
  readonly execute: (statements: readonly Statement[]) => Promise<readonly Result[]>
  readonly counts: WorkerCounts
  readonly log: Log
  readonly nowMs: () => number
}

export function createLeaseKeeper({ owner, lease, renewEveryMs, running, execute, counts, log, nowMs }: LeaseKeeperDeps): LeaseKeeper {
  let renewing: Promise<void> | undefined
  let renewTimer: NodeJS.Timeout | undefined
  let leaseTimer: NodeJS.Timeout | undefined

  /** Ends every call before others may begin it again. */
  const check = (): void => {
    clearTimeout(leaseTimer)
    if (running.size() === 0) return
    if (lease.isValid()) {
      leaseTimer = setTimeout(check, Math.max(1, lease.endsMs() - nowMs()))
      return
    }
    log.warn('the lease could not be renewed: calls are ended', { runs: running.size() })
    running.endAll('lease')
  }

  const renew = (): void => {
    renewing ??= (async () => {
      const sentMs = nowMs()
      const results = await execute([
        beatStatement(owner, lease.nextBeat()),
        { sql: "SELECT id, fence, cancel FROM runs WHERE state = 'running' AND owner = :owner", parameters: { owner } },
      ])
      lease.renewed(sentMs)
      counts.renewals++
      const mine = new Map(results.at(-1)?.rows.map((row) => [`${row['id']} ${row['fence']}`, row['cancel'] !== 0]))
      for (const one of running.all()) {
        const isCancelled = mine.get(`${one.run.id} ${one.run.fence}`)
        if (isCancelled === true) one.end('cancelled')
        // One that was begun after this was asked for is not in the answer.
        else if (isCancelled === undefined && one.begunMs < sentMs) one.end('lease')
      }
    })().catch((error: unknown) => log.warn('the lease was not renewed', { error })).finally(() => {
      renewing = undefined
      check()
    })
  }

  const renewLater = (): void => {
    if (renewTimer !== undefined || running.size() === 0) return
    renewTimer = setTimeout(() => {
      renewTimer = undefined
      if (running.size() === 0) return
      renew()
      renewLater()
    }, renewEveryMs)
  }

  return {
    check,
    renewLater,
    stop() {
      for (const one of [renewTimer, leaseTimer]) clearTimeout(one)
    },
  }
}

/** A job as `/system/cron` shows it. Pure. */
import type { CronRun, CronStatus } from '../openfaas/cron-status.ts'
import type { Job } from './plan.ts'
import type { JobRecord, LastRun } from './record.ts'

export function statusOf({ ref, schedule, timezone, catchUp, overlap, invocation }: Job, record: JobRecord | undefined, nextMs: number): CronStatus {
  return {
    name: ref.name, namespace: ref.namespace, schedule: schedule.text, timezone, catchUp, overlap, invocation,
    ...(Number.isFinite(nextMs) ? { nextRun: iso(nextMs) } : {}),
    ...(record?.last ? { lastRun: runOf(record.last) } : {}),
    ...(record?.skippedMs === undefined ? {} : { lastSkipped: iso(record.skippedMs) }),
  }
}

function runOf({ dueMs, startedMs, endedMs, outcome, status, error }: LastRun): CronRun {
  return {
    due: iso(dueMs), started: iso(startedMs), outcome,
    ...(endedMs === undefined ? {} : { ended: iso(endedMs) }),
    ...(status === undefined ? {} : { status }),
    ...(error === undefined ? {} : { error }),
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

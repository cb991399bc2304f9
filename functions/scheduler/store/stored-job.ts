/** A job as it is kept, and as it is shown. */
import type { Row } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { type Job, jobStates, Spec, StoredCron } from '../http/shapes.ts'

const jobRow = z.object({
  id: z.string(), name: z.string(), queue: z.string(), state: z.enum(jobStates), priority: z.number(), unique_key: z.string().nullable(), spec: z.string(),
  cron: z.string().nullable(), planned_at: z.number().nullable(), if_fails: z.string(), skipped: z.number(), created_at: z.number(),
  ended_at: z.number().nullable(), version: z.number(), next_run: z.number().nullable(), depends_on: z.string(),
})

export type StoredJob = Omit<z.output<typeof jobRow>, 'spec' | 'cron' | 'depends_on'> & {
  readonly spec: Spec
  readonly cron: StoredCron | undefined
  readonly depends_on: readonly string[]
}

/** Of table `jobs j`. */
export const JOB_COLUMNS = `j.id, j.name, j.queue, j.state, j.priority, j.unique_key, j.spec, j.cron, j.planned_at, j.if_fails, j.skipped, j.created_at, j.ended_at, j.version,
  CASE WHEN j.state = 'active' THEN COALESCE((SELECT MIN(next_at) FROM runs WHERE job_id = j.id AND kind = 'call' AND state = 'queued'), j.next_at) END AS next_run,
  (SELECT json_group_array(on_job) FROM dependencies WHERE job_id = j.id) AS depends_on`

export function readJob(row: Row): StoredJob {
  const { spec, cron, depends_on: dependsOn, ...job } = jobRow.parse(row)
  return {
    ...job, spec: Spec.parse(JSON.parse(spec)), cron: cron === null ? undefined : StoredCron.parse(JSON.parse(cron)),
    depends_on: z.array(z.string()).parse(JSON.parse(dependsOn)),
  }
}

/** What opens doors is not shown again. */
const SECRET_HEADERS = /^(?:authorization|proxy-authorization|cookie|x-api-key|.*(?:token|secret|password).*)$/i

export function showJob({ id, name, queue, state, priority, unique_key: uniqueKey, spec, cron, if_fails: ifFails, skipped, created_at: createdAt, ended_at: endedAt, next_run: nextRun, depends_on: dependsOn }: StoredJob): z.input<typeof Job> {
  const { headers, on_complete: onComplete, payload, target, method, timeout_seconds: timeoutSeconds, retry } = spec
  return {
    id, name, queue, state, target, method,
    headers: Object.fromEntries(Object.entries(headers).map(([header, value]) => [header, SECRET_HEADERS.test(header) ? '***' : value])),
    ...(payload !== undefined && { payload }), timeout_seconds: timeoutSeconds, retry, priority, ...(uniqueKey !== null && { unique_key: uniqueKey }),
    ...(cron !== undefined && { cron }), depends_on: [...dependsOn], if_dependency_fails: ifFails, ...(onComplete !== undefined && { on_complete: onComplete }),
    ...(nextRun !== null && { next_run_at: isoTime(nextRun) }), skipped_runs: skipped, created_at: isoTime(createdAt),
    ...(endedAt !== null && { ended_at: isoTime(endedAt) }),
  }
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** A run as it is kept, and as it is shown. */
import type { Row } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { LogEntry, type Run, runStates } from '../http/shapes.ts'
import { isoTime } from './stored-job.ts'

const runRow = z.object({
  id: z.string(), job_id: z.string(), queue: z.string(), kind: z.enum(['call', 'webhook']), state: z.enum(runStates), due_at: z.number(), next_at: z.number(),
  attempts: z.number(), fence: z.number(), started_at: z.number().nullable(), ended_at: z.number().nullable(), status: z.number().nullable(),
  result: z.string().nullable(), error: z.string().nullable(), log: z.string(),
})

export type StoredRun = z.output<typeof runRow>

export const RUN_COLUMNS = 'id, job_id, queue, kind, state, due_at, next_at, attempts, fence, started_at, ended_at, status, result, error, log'

export function readRun(row: Row): StoredRun {
  return runRow.parse(row)
}

export function showRun(run: StoredRun): z.input<typeof Run> {
  const { id, job_id: jobId, queue, kind, state, due_at: dueAt, next_at: nextAt, attempts, fence, started_at: startedAt, ended_at: endedAt, status, result, error, log } = run
  return {
    id, job_id: jobId, queue, kind, state, due_at: isoTime(dueAt), ...(state === 'queued' && { next_at: isoTime(nextAt) }),
    ...(startedAt !== null && { started_at: isoTime(startedAt) }), ...(endedAt !== null && { ended_at: isoTime(endedAt) }), attempts,
    ...(fence > 0 && { fence }), ...(status !== null && { status }), ...(result !== null && { result }), ...(error !== null && { error }),
    log: z.array(LogEntry).parse(JSON.parse(log)),
  }
}

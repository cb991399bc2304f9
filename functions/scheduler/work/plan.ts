/** Recurring jobs whose moment has come, as statements: each moment becomes one run, whichever replicas plan it. */
import type { Database, Statement } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { StoredCron } from '../http/shapes.ts'
import { dueRuns } from '../schedule/due.ts'
import { readPattern } from '../schedule/pattern.ts'
import { NOW } from '../store/clock.ts'

const dueRow = z.object({ id: z.string(), queue: z.string(), cron: z.string(), planned_at: z.number(), next_at: z.number() })

/** Runs of one job that wait: a function that hangs must not gather them for ever. */
const MAX_WAITING = 100

export type Plan = { readonly statements: readonly Statement[]; readonly queues: readonly string[] }

/** What is too much for `maxStatements` is due the next time. */
export async function planJobs(db: Database, ids: readonly string[], nowMs: number, maxStatements: number): Promise<Plan> {
  const rows = await db.query(
    "SELECT id, queue, cron, planned_at, next_at FROM jobs WHERE state = 'active' AND cron IS NOT NULL AND id IN (SELECT value FROM json_each(:ids))",
    { ids: JSON.stringify(ids) })
  const jobs = rows.map((row) => dueRow.parse(row))
  const statements: Statement[] = []
  const queues: string[] = []
  for (const job of jobs) {
    const more = planJob(job, nowMs)
    if (statements.length + more.length > maxStatements) break
    statements.push(...more)
    queues.push(job.queue)
  }
  return { statements, queues }
}

function planJob({ id, cron, planned_at: plannedAt, next_at: seen }: z.output<typeof dueRow>, nowMs: number): readonly Statement[] {
  const { pattern: text, timezone, catch_up: catchUp, overlap, jitter_seconds: jitterSeconds } = StoredCron.parse(JSON.parse(cron))
  const pattern = readPattern(text, timezone)
  // It was checked when the job was made. Should a time zone be gone since, the job waits for whoever changes it.
  if (typeof pattern === 'string') return [{ sql: 'UPDATE jobs SET next_at = NULL WHERE id = :id AND next_at = :seen', parameters: { id, seen } }]
  const { runs, isMadeUp, plannedMs, nextMs } = dueRuns({ id, pattern, catchUp, jitterMs: jitterSeconds * 1000 }, plannedAt, nowMs)
  const max = overlap === 'skip' && !isMadeUp ? 1 : MAX_WAITING
  const inserts = runs.map((dueMs) => ({
    sql: `INSERT OR IGNORE INTO runs (id, job_id, kind, queue, priority, serial_key, state, due_at, next_at)
      SELECT :run, id, 'call', queue, priority, :serial, 'queued', :due, ${NOW} FROM jobs WHERE id = :id AND state = 'active' AND next_at = :seen
        AND (SELECT COUNT(*) FROM runs WHERE job_id = :id AND kind = 'call' AND state IN ('queued', 'running')) < :max`,
    parameters: { id, seen, run: runIdOf(id, dueMs), serial: overlap === 'allow' && !isMadeUp ? null : id, due: dueMs, max },
  }))
  const done: Statement = {
    // Those that are not there were left out: the one before had not ended.
    sql: `UPDATE jobs SET planned_at = :planned, next_at = :next,
        skipped = skipped + (SELECT COUNT(*) FROM json_each(:runs) WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = json_each.value))
      WHERE id = :id AND state = 'active' AND next_at = :seen`,
    parameters: { id, seen, planned: plannedMs, next: nextMs ?? null, runs: JSON.stringify(runs.map((dueMs) => runIdOf(id, dueMs))) },
  }
  return [...inserts, done]
}

/** The same for the same moment: planned twice it is there once. */
function runIdOf(jobId: string, dueMs: number): string {
  return `${jobId}.${dueMs}`
}

/** What follows from the end of a run for its job, and for the jobs that wait for that one. All of it in the transaction of the end. */
import type { Statement } from '@bramble/runtime/service/database'
import { NOW } from './clock.ts'

/** Of a dependency `d` of job `j`, with the job `o` that it is on: whether it holds nothing up any more. */
const IS_MET = "(o.state = 'succeeded' OR (o.state IN ('failed', 'cancelled') AND j.if_fails = 'run'))"

/**
 * A job that is not recurring ends with its last run. Those whose failure it brings with it are cancelled, and theirs, however far; what
 * has nothing left to wait for is queued.
 */
export function settleJob(jobId: string): readonly Statement[] {
  return [
    {
      sql: `UPDATE jobs SET version = version + 1, ended_at = ${NOW}, state = CASE (SELECT state FROM runs WHERE job_id = :job AND kind = 'call' ORDER BY ended_at DESC, id DESC LIMIT 1)
          WHEN 'succeeded' THEN 'succeeded' WHEN 'cancelled' THEN 'cancelled' ELSE 'failed' END
        WHERE id = :job AND cron IS NULL AND state IN ('active', 'paused')
          AND NOT EXISTS (SELECT 1 FROM runs WHERE job_id = :job AND kind = 'call' AND state IN ('waiting', 'queued', 'running'))`,
      parameters: { job: jobId },
    },
    ...settleDependents(jobId),
  ]
}

/** After a job has ended in whatever way. */
export function settleDependents(jobId: string): readonly Statement[] {
  return [
    {
      sql: `WITH RECURSIVE fallen(id) AS (
          SELECT id FROM jobs WHERE id = :job AND state IN ('failed', 'cancelled')
          UNION SELECT d.job_id FROM dependencies d JOIN fallen f ON d.on_job = f.id JOIN jobs j ON j.id = d.job_id
            WHERE j.if_fails = 'cancel' AND j.state IN ('active', 'paused') AND EXISTS (SELECT 1 FROM runs WHERE job_id = j.id AND state = 'waiting'))
        UPDATE jobs SET state = 'cancelled', ended_at = ${NOW}, version = version + 1 WHERE id IN (SELECT id FROM fallen WHERE id <> :job)`,
      parameters: { job: jobId },
    },
    {
      sql: `UPDATE runs SET state = 'cancelled', ended_at = ${NOW}, error = 'a job that it depends on has not succeeded'
        WHERE state = 'waiting' AND job_id IN (WITH RECURSIVE after(id) AS (SELECT :job UNION SELECT d.job_id FROM dependencies d JOIN after a ON d.on_job = a.id)
          SELECT a.id FROM after a JOIN jobs j ON j.id = a.id WHERE j.state = 'cancelled')`,
      parameters: { job: jobId },
    },
    {
      sql: `UPDATE runs SET state = 'queued', next_at = MAX(next_at, ${NOW})
        WHERE state = 'waiting' AND job_id IN (WITH RECURSIVE after(id) AS (SELECT :job UNION SELECT d.job_id FROM dependencies d JOIN after a ON d.on_job = a.id)
          SELECT id FROM after) AND NOT EXISTS (SELECT 1 FROM dependencies d JOIN jobs o ON o.id = d.on_job JOIN jobs j ON j.id = d.job_id
            WHERE d.job_id = runs.job_id AND NOT ${IS_MET})`,
      parameters: { job: jobId },
    },
  ]
}

/** For a job that has just been given its dependencies: what of them is over already. */
export function settleNew(jobId: string): readonly Statement[] {
  return [
    {
      sql: `UPDATE jobs SET state = 'cancelled', ended_at = ${NOW} WHERE id = :job AND if_fails = 'cancel' AND state IN ('active', 'paused')
        AND EXISTS (SELECT 1 FROM dependencies d JOIN jobs o ON o.id = d.on_job WHERE d.job_id = :job AND o.state IN ('failed', 'cancelled'))`,
      parameters: { job: jobId },
    },
    ...settleDependents(jobId),
  ]
}

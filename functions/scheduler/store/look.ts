/** What there is to do, read in one statement: most looks find nothing, and a read costs the disk nothing. */
import type { Database } from '@bramble/runtime/service/database'
import * as z from 'zod'
import { CLOCK_BACK_MS } from '../schedule/due.ts'
import { NOW } from './clock.ts'

/**
 * Of a run `r` that is queued, whether it may begin: its time has come, its job is not paused, and no other run of its job is under
 * way or before it, where they must not overlap. Webhooks are sent for jobs that are paused or over, too.
 */
export const MAY_BEGIN = `r.state = 'queued' AND r.next_at <= clock.now
  AND (r.kind = 'webhook' OR EXISTS (SELECT 1 FROM jobs j WHERE j.id = r.job_id AND j.state = 'active'))
  AND (r.serial_key IS NULL OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.serial_key = r.serial_key AND o.state IN ('queued', 'running')
    AND (o.state = 'running' OR o.next_at < r.next_at OR (o.next_at = r.next_at AND o.id < r.id))))`

/** How many calls the rate of queue `q` allows now: its next ones are given out up to `rate_next`, at most a period ahead. */
export const RATE_LEFT = 'CAST((clock.now + q.rate_period_ms - MAX(q.rate_next, clock.now)) * q.rate_count / q.rate_period_ms AS INTEGER)'

/** Jobs that are planned in one go. */
const MAX_DUE_JOBS = 50

const LOOK = `WITH clock(now) AS MATERIALIZED (SELECT ${NOW})
SELECT json_object(
  'now', clock.now,
  'queues', json((SELECT json_group_array(q.name) FROM queues q WHERE q.paused = 0
    AND (SELECT COUNT(*) FROM runs WHERE state = 'running' AND queue = q.name) < q.concurrency
    AND (q.rate_count IS NULL OR ${RATE_LEFT} >= 1)
    AND EXISTS (SELECT 1 FROM runs r WHERE r.queue = q.name AND ${MAY_BEGIN}))),
  'owners', json((SELECT json_group_array(json_object('owner', owner, 'beat', (SELECT beat FROM replicas WHERE replicas.owner = o.owner)))
    FROM (SELECT DISTINCT owner FROM runs WHERE state = 'running' AND owner <> :me) o)),
  'dueJobs', json((SELECT json_group_array(id) FROM (SELECT id FROM jobs WHERE state = 'active' AND next_at IS NOT NULL
    AND (next_at <= clock.now OR planned_at > clock.now + ${CLOCK_BACK_MS}) LIMIT ${MAX_DUE_JOBS}))),
  'nextMs', (SELECT MIN(at) FROM (
    SELECT MIN(next_at) AS at FROM runs WHERE state = 'queued' AND next_at > clock.now
    UNION ALL SELECT MIN(next_at) FROM jobs WHERE next_at > clock.now AND state = 'active'
    UNION ALL SELECT MIN(q.rate_next - q.rate_period_ms + q.rate_period_ms / q.rate_count) FROM queues q
      WHERE q.rate_count IS NOT NULL AND ${RATE_LEFT} < 1 AND EXISTS (SELECT 1 FROM runs r WHERE r.queue = q.name AND r.state = 'queued' AND r.next_at <= clock.now)))
) AS look FROM clock`

const lookSchema = z.object({
  now: z.number(),
  queues: z.array(z.string()),
  owners: z.array(z.object({ owner: z.string(), beat: z.number().nullable() })),
  dueJobs: z.array(z.string()),
  nextMs: z.number().nullable(),
})

/** Times are the data service's. */
export type Look = z.output<typeof lookSchema>

export async function look(db: Database, me: string): Promise<Look> {
  const [row] = await db.query(LOOK, { me })
  return lookSchema.parse(JSON.parse(String(row?.['look'])))
}

/** What becomes of a run that a replica has had, as statements: refused where the replica has it no more. */
import type { Statement } from '@bramble/runtime/service/database'
import { NOW } from './clock.ts'
import { WEBHOOK_QUEUE } from './queues.ts'
import { settleJob } from './settle.ts'

export type Outcome =
  | { readonly state: 'succeeded' | 'dead' | 'cancelled' }
  /** Tried again after so long. */
  | { readonly state: 'queued'; readonly waitMs: number; /** The attempt does not count; it is queued where it was. */ readonly isReturned?: boolean }

export type Finish = {
  readonly id: string
  readonly jobId: string
  readonly kind: 'call' | 'webhook'
  readonly fence: number
  readonly outcome: Outcome
  readonly status?: number | undefined
  readonly result?: string | undefined
  readonly error?: string | undefined
  /** Of the log, beside `at`, which is put in: the data service's clock. */
  readonly entry: Readonly<Record<string, unknown>> | undefined
  /** Of the completion, where somebody wants to be told. */
  readonly webhook?: string | undefined
}

/** Of a run. */
const MAX_LOG_ENTRIES = 20
/** Puts `:entry` at the end of a run's log, with the time. */
export const LOG_ENTRY = `json_insert(CASE WHEN json_array_length(log) >= ${MAX_LOG_ENTRIES} THEN json_remove(log, '$[0]') ELSE log END, '$[#]',
  json_insert(:entry, '$.at', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))`

/** The first result tells whether it was kept. */
export function finishStatements({ id, jobId, kind, fence, outcome, status, result, error, entry, webhook }: Finish): readonly Statement[] {
  const isOver = outcome.state !== 'queued'
  // What was given back keeps its place in the line.
  const then = outcome.state !== 'queued' ? `ended_at = ${NOW}`
    : outcome.isReturned ? 'attempts = attempts - 1, lapses = lapses + 1' : `next_at = ${NOW} + :wait`
  const first: Statement = {
    // The fencing number: a replica that was slow, and whose run was given to another one, changes nothing.
    sql: `UPDATE runs SET state = :state, owner = NULL, status = :status, result = :result, error = :error${entry === undefined ? '' : `, log = ${LOG_ENTRY}`},
      ${then}
      WHERE id = :id AND fence = :fence AND state = 'running'`,
    parameters: {
      id, fence, state: outcome.state, status: status ?? null, result: result ?? null, error: error ?? null, ...(entry !== undefined && { entry: JSON.stringify(entry) }),
      ...(outcome.state === 'queued' && !outcome.isReturned && { wait: Math.round(outcome.waitMs) }),
    },
  }
  if (!isOver || kind === 'webhook') return [first]
  return [first, ...settleJob(jobId), ...(webhook === undefined ? [] : [webhookStatement(id, jobId, fence, outcome.state, webhook)])]
}

/** The end alone, for a database without room for more: better known without its result than to be run again. */
export function bareFinish({ result: _, webhook, ...finish }: Finish): Finish {
  return { ...finish, entry: undefined, ...(webhook !== undefined && { webhook: withoutResult(webhook) }) }
}

function withoutResult(webhook: string): string {
  const { data, ...rest } = JSON.parse(webhook)
  return JSON.stringify({ ...rest, data: { ...data, result: undefined } })
}

function webhookStatement(id: string, jobId: string, fence: number, state: string, body: string): Statement {
  return {
    sql: `INSERT OR IGNORE INTO runs (id, job_id, kind, queue, priority, state, due_at, next_at, body)
      SELECT :webhook, :job, 'webhook', '${WEBHOOK_QUEUE}', 5, 'queued', ${NOW}, ${NOW}, :body
      WHERE EXISTS (SELECT 1 FROM runs WHERE id = :id AND fence = :fence AND state = :state)`,
    parameters: { webhook: `${id}.w${fence}`, job: jobId, id, fence, state, body },
  }
}

/** What callers send and get, as schemas: they check the input and describe both in `/openapi.json`. */
import * as z from 'zod'

const MAX_PAGE = 200
const DEFAULT_PAGE = 50
/** Of a payload as JSON; more belongs into the files service. */
export const MAX_PAYLOAD_BYTES = 64 * 1024
export const MAX_HEADERS = 20
const MAX_TIMEOUT_SECONDS = 900
const MAX_WAIT_SECONDS = 86_400
/** Both ways: years of more or less than four digits are no times that can be shown. */
export const MAX_DELAY_SECONDS = 10 * 366 * 86_400
const MAX_ATTEMPTS = 20
const MAX_JITTER_SECONDS = 3600
const MAX_DEPENDENCIES = 20
const MAX_CONCURRENCY = 1000
const MAX_RATE = 100_000

export const Id = z.string().regex(/^[a-z0-9]{1,40}$/)
const RunId = z.string().regex(/^[a-z0-9.]{1,80}$/)
export const QueueName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a small letter, then up to 62 of a-z, 0-9 and -')
/** No control characters: they would steer terminals and logs. */
const Name = z.string().regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not have control characters').max(100)
const Key = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
const Time = z.iso.datetime()

const FunctionName = z.string().max(127).regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)?$/, 'must be the name of a function, or NAME.NAMESPACE')
const Path = z.string().max(1000).regex(/^\/[\x21\x22\x24-\x7e]*$/, 'must begin with / and be visible ASCII without #')
export const Target = z.union([
  z.strictObject({ function: FunctionName, path: Path.default('/') }),
  z.strictObject({ url: z.string().max(2000).regex(/^https?:\/\/[\x21\x22\x24-\x7e]+$/i, 'must be an http or https URL without a fragment') }),
], { error: 'must be {"function": "name", "path": "/…"} or {"url": "https://…"}' })

const HeaderName = z.string().regex(/^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,100}$/)
const HeaderValue = z.string().max(2000).regex(/^[\x20-\x7e]*$/, 'must be visible ASCII and blanks')
const Retry = z.strictObject({
  attempts: z.int().min(1).max(MAX_ATTEMPTS).default(3),
  first_wait_seconds: z.number().min(0.01).max(MAX_WAIT_SECONDS).default(5).describe('After the first failure; then doubling, half of it chance'),
  max_wait_seconds: z.number().min(0.01).max(MAX_WAIT_SECONDS).default(3600),
})
const CronRule = z.strictObject({
  pattern: z.string().min(1).max(200).describe('5 fields, 6 with seconds before, 7 with a year behind, or @daily and its kin (Open Cron Pattern Specification 1.4)'),
  timezone: z.string().min(1).max(60).default('UTC'),
  catch_up: z.enum(['none', 'one', 'all']).default('none').describe('What becomes of runs that nobody could begin in time'),
  overlap: z.enum(['skip', 'queue', 'allow']).default('skip').describe('When the run before has not ended'),
  jitter_seconds: z.int().min(0).max(MAX_JITTER_SECONDS).default(0),
})

const spec = {
  name: Name.default(''),
  target: Target,
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  headers: z.record(HeaderName, HeaderValue).default({}).describe(`At most ${MAX_HEADERS}`),
  payload: z.unknown().optional().describe('Sent as JSON; a text with a content-type of its own goes as it is'),
  timeout_seconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).default(30),
  retry: Retry.prefault({}),
  priority: z.int().min(0).max(9).default(5).describe('9 first'),
  on_complete: Target.optional().describe('Told when a run has ended for good, signed'),
}
const when = {
  at: z.iso.datetime({ offset: true }).optional(),
  delay_seconds: z.number().min(0).max(MAX_DELAY_SECONDS).optional(),
  cron: CronRule.optional(),
}
const DependsOn = z.array(Id).max(MAX_DEPENDENCIES)
const IfFails = z.enum(['cancel', 'run', 'wait']).describe('When one of them fails or is cancelled: cancelled too, run all the same, or wait for its redrive')

export const NewJob = z.strictObject({
  ...spec, ...when,
  queue: QueueName.default('default'),
  unique_key: Key.optional().describe('At most one unfinished job of a queue has it'),
  depends_on: DependsOn.default([]),
  if_dependency_fails: IfFails.default('cancel'),
})
export type NewJob = z.output<typeof NewJob>

export const JobChange = z.strictObject({
  name: Name.optional(), target: Target.optional(), method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  headers: z.record(HeaderName, HeaderValue).optional(), payload: z.unknown().optional(),
  timeout_seconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).optional(), retry: Retry.optional(), priority: z.int().min(0).max(9).optional(),
  on_complete: Target.nullable().optional(), cron: CronRule.optional(), depends_on: DependsOn.optional(), if_dependency_fails: IfFails.optional(),
})
export type JobChange = z.output<typeof JobChange>

/** What is kept of a job as one JSON text: nothing of it is searched for. */
export const Spec = z.object({
  target: Target, method: z.string(), headers: z.record(z.string(), z.string()), payload: z.unknown().optional(),
  timeout_seconds: z.number(), retry: Retry, on_complete: Target.optional(),
})
export type Spec = z.output<typeof Spec>
export const StoredCron = CronRule
export type StoredCron = z.output<typeof CronRule>

export const jobStates = ['active', 'paused', 'succeeded', 'failed', 'cancelled'] as const
export const runStates = ['waiting', 'queued', 'running', 'succeeded', 'dead', 'cancelled'] as const

export const Job = z.object({
  id: z.string(), name: z.string(), queue: z.string(), state: z.enum(jobStates), target: z.unknown(), method: z.string(),
  headers: z.record(z.string(), z.string()), payload: z.unknown().optional(), timeout_seconds: z.number(), retry: z.unknown(), priority: z.int(),
  unique_key: z.string().optional(), cron: z.unknown().optional(), depends_on: z.array(z.string()), if_dependency_fails: z.string(),
  on_complete: z.unknown().optional(), next_run_at: Time.optional(), skipped_runs: z.int(), created_at: Time, ended_at: Time.optional(),
})
export const LogEntry = z.looseObject({ at: Time, event: z.string() })
export const Run = z.object({
  id: z.string(), job_id: z.string(), queue: z.string(), kind: z.enum(['call', 'webhook']), state: z.enum(runStates), due_at: Time,
  next_at: Time.optional().describe('Of the next attempt'), started_at: Time.optional(), ended_at: Time.optional(), attempts: z.int(), fence: z.int().optional(),
  status: z.int().optional(), result: z.string().optional(), error: z.string().optional(), log: z.array(LogEntry),
})
export const Queue = z.object({
  name: z.string(), concurrency: z.int(), rate: z.object({ count: z.int(), period_seconds: z.number() }).nullable(), paused: z.boolean(),
  queued: z.int(), running: z.int(), dead: z.int(),
})
export const QueueChange = z.strictObject({
  concurrency: z.int().min(1).max(MAX_CONCURRENCY).optional(),
  rate: z.strictObject({ count: z.int().min(1).max(MAX_RATE), period_seconds: z.int().min(1).max(86_400) }).nullable().optional()
    .describe('On average; a queue that was idle may begin `count` at once'),
  paused: z.boolean().optional(),
})

export const inPath = z.strictObject({ id: Id })
export const runInPath = z.strictObject({ id: RunId })
export const queueInPath = z.strictObject({ name: QueueName })
export const paging = z.strictObject({
  limit: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
  cursor: z.string().max(500).optional().describe('`next_cursor` of the page before'),
})
export const ifMatch = z.object({ 'if-match': z.string().max(500).optional().describe('Only if it still has this ETag, else 412') })
export const idempotencyKey = z.object({
  'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A call sent again with its key runs once, and is answered as the first time'),
})

export function page<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().optional() })
}

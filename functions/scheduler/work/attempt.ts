/** One attempt of a run: the call, and what is to be kept of it. */
import type { Finish } from '../store/finish.ts'
import type { TakenRun } from '../store/claim.ts'
import { type TargetAnswer, type TargetCall, TargetRefused } from './call-target.ts'
import { judge, parseRetryAfter } from './judge.ts'
import { signatureHeaders } from './webhook-signature.ts'

/** Why a call was ended by this replica. */
export type EndReason = 'lease' | 'cancelled' | 'stopping' | 'timeout'

export type AttemptDeps = {
  readonly callTarget: (call: TargetCall) => Promise<TargetAnswer>
  readonly webhookKey: Buffer | undefined
  readonly owner: string
  readonly nowMs: () => number
  readonly random: () => number
}

/** Replicas that ended in the middle of it, one after the other: what is given up then may be what ends them. */
const MAX_LAPSES = 10
const WEBHOOK_TIMEOUT_MS = 10_000
const WEBHOOK_RETRY = { attempts: 10, first_wait_seconds: 1, max_wait_seconds: 3600 }
/** Of a message in a run. */
const MAX_ERROR_LENGTH = 500

/** Never rejects. `endedBy` says why `signal` fired. */
export async function attempt(run: TakenRun, signal: AbortSignal, endedBy: () => EndReason | undefined, deps: AttemptDeps): Promise<Finish> {
  const startedMs = deps.nowMs()
  const ended = (outcome: Finish['outcome'], event: string, more: { status?: number; result?: string; error?: string } = {}): Finish => {
    const entry = {
      event, attempt: run.attempts, replica: deps.owner, fence: run.fence, started_at: new Date(run.started_at).toISOString(),
      late_ms: run.started_at - run.next_at, ms: Math.round(deps.nowMs() - startedMs),
      ...(more.status !== undefined && { status: more.status }), ...(more.error !== undefined && { detail: more.error }),
      ...(outcome.state === 'queued' && !outcome.isReturned && { retry_in_ms: Math.round(outcome.waitMs) }),
    }
    const finish = { id: run.id, jobId: run.job_id, kind: run.kind, fence: run.fence, outcome, ...more, entry }
    const isTold = run.kind === 'call' && run.spec.on_complete !== undefined && outcome.state !== 'queued'
    return isTold ? { ...finish, webhook: completionOf(run, finish, Date.now()) } : finish
  }

  if (run.cancel !== 0) return ended({ state: 'cancelled' }, 'cancelled')
  if (run.lapses >= MAX_LAPSES) return ended({ state: 'dead' }, 'failed', { error: `${run.lapses} replicas have ended in the middle of it` })
  try {
    const { status, text, retryAfter } = await deps.callTarget(callOf(run, signal, deps))
    const outcome = judge({ status, retryAfterMs: parseRetryAfter(retryAfter, Date.now()) }, run.attempts, ruleOf(run), deps.random())
    const why = outcome.state === 'succeeded' ? {} : { error: status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}` }
    return ended(outcome, outcome.state === 'succeeded' ? 'succeeded' : 'failed', { status, result: text, ...why })
  } catch (error) {
    const reason = endedBy()
    if (reason === 'cancelled') return ended({ state: 'cancelled' }, 'cancelled')
    if (reason === 'lease') return ended({ state: 'queued', waitMs: 0, isReturned: true }, 'lapsed', { error: 'the lease could not be renewed: the call was ended' })
    if (reason === 'stopping') return ended({ state: 'queued', waitMs: 0, isReturned: true }, 'returned', { error: 'the replica was told to stop' })
    const message = reason === 'timeout' ? `no answer within ${timeoutOf(run)} ms` : error instanceof Error ? error.message : String(error)
    const outcome = judge({ isRefused: error instanceof TargetRefused }, run.attempts, ruleOf(run), deps.random())
    return ended(outcome, 'failed', { error: message.slice(0, MAX_ERROR_LENGTH) })
  }
}

export function timeoutOf({ kind, spec }: TakenRun): number {
  return kind === 'webhook' ? WEBHOOK_TIMEOUT_MS : spec.timeout_seconds * 1000
}

function ruleOf({ kind, spec }: TakenRun) {
  return kind === 'webhook' ? WEBHOOK_RETRY : spec.retry
}

function callOf(run: TakenRun, signal: AbortSignal, { webhookKey }: AttemptDeps): TargetCall {
  const { spec, kind } = run
  const about = {
    'x-call-id': run.id, 'x-scheduler-job': run.job_id, 'x-scheduler-run': run.id, 'x-scheduler-attempt': String(run.attempts),
    'x-scheduler-fence': String(run.fence), 'x-scheduler-due': new Date(run.due_at).toISOString(), 'idempotency-key': run.id,
  }
  if (kind === 'webhook') {
    if (webhookKey === undefined || spec.on_complete === undefined) throw new TargetRefused('there is nobody to tell, or no secret webhook-key to sign with')
    const body = run.body ?? ''
    const headers = { 'content-type': 'application/json', ...about, ...signatureHeaders(webhookKey, run.id, body, Date.now()) }
    return { target: spec.on_complete, method: 'POST', headers, body, signal }
  }
  const headers = lowerCase(spec.headers)
  const isText = typeof spec.payload === 'string' && headers['content-type'] !== undefined
  const body = spec.payload === undefined ? '' : isText ? String(spec.payload) : JSON.stringify(spec.payload)
  return { target: spec.target, method: spec.method, headers: { ...(body !== '' && { 'content-type': 'application/json' }), ...headers, ...about }, body, signal }
}

function completionOf(run: TakenRun, { outcome, status, result, error }: Pick<Finish, 'outcome' | 'status' | 'result' | 'error'>, nowMs: number): string {
  return JSON.stringify({
    type: 'run.completed', timestamp: new Date(nowMs).toISOString(),
    data: {
      job_id: run.job_id, name: run.name, run_id: run.id, queue: run.queue, state: outcome.state, attempts: run.attempts, fence: run.fence,
      due_at: new Date(run.due_at).toISOString(), status, result, error,
    },
  })
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

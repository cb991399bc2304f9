/** What to do with a message after a try. Pure: chance and clock are handed in. */
import { backoffMs } from '../lib/backoff.ts'
import type { RetryPolicy } from '../openfaas/retry-policy.ts'

export type Answered = {
  readonly status: number
  /** By the platform, not by the function. */
  readonly isInternal: boolean
  readonly retryAfterMs?: number | undefined
}

export type Verdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'dead'; readonly reason: string }

/** A function may ask for less; what it asks for beyond is a mistake more likely than a wish. */
const MAX_RETRY_AFTER_MS = 3_600_000
/** Those that were told the same time do not come back at the same moment. */
const RETRY_AFTER_SPREAD = 0.1

/** `attempts` were made before this one; `random` is from 0 to 1. */
export function judge(answer: Answered, attempts: number, policy: RetryPolicy, random: number): Verdict {
  const { status, isInternal } = answer
  if (status < 400) return { kind: 'done' }
  if (isInternal && status === 404) return { kind: 'dead', reason: 'the function is not deployed' }
  const isWorthIt = policy.codes.includes(status) || (isInternal && status >= 500)
  if (!isWorthIt) return { kind: 'dead', reason: `answered ${status}, which is not tried again` }
  if (attempts + 1 >= policy.attempts) return { kind: 'dead', reason: `answered ${status} at the last of ${policy.attempts} tries` }
  return { kind: 'retry', delayMs: Math.round(waitMs(answer, attempts, policy, random)) }
}

function waitMs({ status, retryAfterMs }: Answered, attempts: number, policy: RetryPolicy, random: number): number {
  if (retryAfterMs !== undefined && (status === 429 || status === 503)) {
    return Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + random * RETRY_AFTER_SPREAD)
  }
  // backoffMs begins to wait with the second failure; here the first one waits already. Half of it is chance.
  const wait = backoffMs(attempts + 2, { firstMs: policy.minWaitMs, maxMs: policy.maxWaitMs })
  return wait / 2 + random * wait / 2
}

/** Milliseconds out of a `Retry-After` header: seconds, or a date. Source: RFC 9110 section 10.2.3. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

/** What to do after an attempt. Pure: chance and clock are handed in. */
import type { Outcome } from '../store/finish.ts'

export type Answer = {
  /** `undefined`: there was none. */
  readonly status?: number | undefined
  readonly retryAfterMs?: number | undefined
  /** It cannot be called at all: no use in trying again. */
  readonly isRefused?: boolean
}

export type RetryRule = { readonly attempts: number; readonly first_wait_seconds: number; readonly max_wait_seconds: number }

/** Not now: Request Timeout, Too Early, Too Many Requests. */
const AGAIN = new Set([408, 425, 429])
/** A target may ask for less; what it asks for beyond is a mistake more likely than a wish. */
const MAX_RETRY_AFTER_MS = 3_600_000
/** Those that were told the same time do not come back at the same moment. */
const RETRY_AFTER_SPREAD = 0.1

/** `attempts` with this one; `random` is from 0 to 1. */
export function judge({ status, retryAfterMs, isRefused = false }: Answer, attempts: number, rule: RetryRule, random: number): Outcome {
  if (status !== undefined && status >= 200 && status < 300) return { state: 'succeeded' }
  const isWorthIt = !isRefused && (status === undefined || status >= 500 || AGAIN.has(status))
  if (!isWorthIt || attempts >= rule.attempts) return { state: 'dead' }
  if (retryAfterMs !== undefined && (status === 429 || status === 503)) {
    return { state: 'queued', waitMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + random * RETRY_AFTER_SPREAD) }
  }
  const waitMs = Math.min(rule.first_wait_seconds * 2 ** (attempts - 1), rule.max_wait_seconds) * 1000
  return { state: 'queued', waitMs: waitMs / 2 + random * waitMs / 2 }
}

/** Milliseconds out of a `Retry-After` header: seconds, or a date. Source: RFC 9110 section 10.2.3. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

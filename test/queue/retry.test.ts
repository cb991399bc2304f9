import * as assert from 'node:assert/strict'
import { defaultRetryPolicy, type RetryPolicy } from '../../platform/openfaas/retry-policy.ts'
import { judge, parseRetryAfter, type Answered } from '../../platform/queue/retry.ts'
import { cases } from '../kit.ts'

const policy: RetryPolicy = { ...defaultRetryPolicy, attempts: 5, minWaitMs: 1_000, maxWaitMs: 5_000 }
const own = (status: number): Answered => ({ status, isInternal: false })
const internal = (status: number): Answered => ({ status, isInternal: true })

cases('after a try', [
  { name: '200 is done', answer: own(200), attempts: 0, expected: { kind: 'done' } },
  { name: 'a redirect is an answer', answer: own(302), attempts: 0, expected: { kind: 'done' } },
  { name: 'the first 500 waits the first time', answer: own(500), attempts: 0, expected: { kind: 'retry', delayMs: 1_000 } },
  { name: 'the third one four times as long', answer: own(500), attempts: 2, expected: { kind: 'retry', delayMs: 4_000 } },
  { name: 'no longer than the longest', answer: own(503), attempts: 3, expected: { kind: 'retry', delayMs: 5_000 } },
  { name: 'the last try was the last', answer: own(500), attempts: 4, expected: { kind: 'dead', reason: 'answered 500 at the last of 5 tries' } },
  { name: '400 is not tried again', answer: own(400), attempts: 0, expected: { kind: 'dead', reason: 'answered 400, which is not tried again' } },
  { name: 'nor is 501 of the function', answer: own(501), attempts: 0, expected: { kind: 'dead', reason: 'answered 501, which is not tried again' } },
  { name: '501 of the platform is', answer: internal(501), attempts: 0, expected: { kind: 'retry', delayMs: 1_000 } },
  { name: 'a function that is gone is dead at once', answer: internal(404), attempts: 0, expected: { kind: 'dead', reason: 'the function is not deployed' } },
  { name: 'Retry-After rules 429', answer: { ...own(429), retryAfterMs: 30_000 }, attempts: 3, expected: { kind: 'retry', delayMs: 33_000 } },
  { name: 'and 503', answer: { ...own(503), retryAfterMs: 0 }, attempts: 0, expected: { kind: 'retry', delayMs: 0 } },
  { name: 'but not 500', answer: { ...own(500), retryAfterMs: 30_000 }, attempts: 0, expected: { kind: 'retry', delayMs: 1_000 } },
  { name: 'and not for days', answer: { ...own(429), retryAfterMs: 1e9 }, attempts: 0, expected: { kind: 'retry', delayMs: 3_960_000 } },
] satisfies readonly { name: string; answer: Answered; attempts: number; expected: object }[], ({ answer, attempts, expected }) => {
  assert.deepEqual(judge(answer, attempts, policy, 1), expected)
})

cases('chance halves the wait at most', [
  { name: 'least', random: 0, delayMs: 500 },
  { name: 'most', random: 1, delayMs: 1_000 },
], ({ random, delayMs }) => {
  assert.deepEqual(judge(own(500), 0, policy, random), { kind: 'retry', delayMs })
})

const now = Date.parse('2026-01-01T00:00:00Z')
cases('Retry-After', [
  { name: 'absent', text: undefined, expected: undefined },
  { name: 'seconds', text: '7', expected: 7_000 },
  { name: 'a date', text: 'Thu, 01 Jan 2026 00:00:10 GMT', expected: 10_000 },
  { name: 'a date that has passed', text: 'Wed, 31 Dec 2025 00:00:00 GMT', expected: 0 },
  { name: 'nonsense', text: 'soon', expected: undefined },
], ({ text, expected }) => {
  assert.equal(parseRetryAfter(text, now), expected)
})

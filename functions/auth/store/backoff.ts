/**
 * Waiting times that grow with failures, for an account and for an address, kept in the database: a restart forgives nothing.
 * A try is counted before it is made, so that a hundred at once are counted too; what succeeds is given back.
 */
import { createHash } from 'node:crypto'
import type { Row, Statement } from '@bramble/runtime/service/database'

export type BackoffRule = {
  readonly name: string
  /** Failures that cost nothing. */
  readonly free: number
  readonly firstMs: number
  readonly maxMs: number
  /** Without a failure for so long all is forgotten. */
  readonly windowMs: number
}

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

export const backoffRules = {
  /** Guessing one password: 5 at once, then at most 96 a day. */
  loginAccount: { name: 'login-account', free: 5, firstMs: SECOND_MS, maxMs: 15 * MINUTE_MS, windowMs: 24 * HOUR_MS },
  /** Trying one password on many accounts. More are free: a household or an office has one address. */
  loginAddress: { name: 'login-address', free: 30, firstMs: SECOND_MS, maxMs: 15 * MINUTE_MS, windowMs: HOUR_MS },
  /** Filling somebody's mailbox. */
  letterAccount: { name: 'letter-account', free: 3, firstMs: MINUTE_MS, maxMs: 6 * HOUR_MS, windowMs: 24 * HOUR_MS },
  /** Registering, and asking for letters, in numbers. */
  letterAddress: { name: 'letter-address', free: 30, firstMs: 10 * SECOND_MS, maxMs: HOUR_MS, windowMs: 24 * HOUR_MS },
} as const satisfies Record<string, BackoffRule>

/** More doublings would leave what an integer can hold. */
const MAX_DOUBLINGS = 30

export type Counted = { readonly rule: BackoffRule; readonly subject: string }

/** Counts one try; changes no row while the subject is blocked, which undoes the transaction it stands in. */
export function countTry(counted: Counted, nowMs: number): Statement {
  const { free, firstMs, maxMs, windowMs } = counted.rule
  return {
    sql: `INSERT INTO attempts (key, failures, last_at, blocked_until, forget_at) VALUES (:key, 1, :now, 0, :now + :window)
      ON CONFLICT (key) DO UPDATE SET
        failures = CASE WHEN forget_at <= :now THEN 1 ELSE failures + 1 END,
        blocked_until = CASE WHEN forget_at <= :now OR failures < :free THEN 0
          ELSE :now + min(:max, :first * (1 << min(failures - :free, :doublings))) END,
        last_at = :now, forget_at = :now + :window
      WHERE blocked_until <= :now`,
    parameters: { key: keyOf(counted), now: nowMs, window: windowMs, free, first: firstMs, max: maxMs, doublings: MAX_DOUBLINGS },
    changes: 1,
  }
}

/** The try was right: nothing is held against the subject any more. */
export function forgetTries(counted: Counted): Statement {
  return { sql: 'DELETE FROM attempts WHERE key = :key', parameters: { key: keyOf(counted) } }
}

/** The try was right, but others may have been wrong: takes back this one only. */
export function giveBackTry(counted: Counted): Statement {
  return {
    sql: 'UPDATE attempts SET failures = max(0, failures - 1), blocked_until = 0 WHERE key = :key',
    parameters: { key: keyOf(counted) },
  }
}

/** Asks for the rows of `waitSeconds`. */
export function blockedQuery(all: readonly Counted[], nowMs: number): { readonly sql: string; readonly parameters: Row } {
  const keys = all.map((counted, i) => [`key${i}`, keyOf(counted)] as const)
  return {
    sql: `SELECT max(blocked_until) - :now AS wait FROM attempts WHERE key IN (${keys.map(([name]) => `:${name}`).join(', ')})`,
    parameters: { now: nowMs, ...Object.fromEntries(keys) },
  }
}

/** How long the caller must wait, rounded up; at least one second. */
export function waitSeconds(rows: readonly Row[]): number {
  const wait = rows[0]?.['wait']
  return Math.max(1, Math.ceil((typeof wait === 'number' ? wait : 0) / SECOND_MS))
}

/** Hashed: an account that is not there leaves no mail address behind, and the length is bounded. */
function keyOf({ rule, subject }: Counted): string {
  return `${rule.name}:${createHash('sha256').update(subject).digest('base64url')}`
}

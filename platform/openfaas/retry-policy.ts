/** When an asynchronous call is tried again: OpenFaaS's annotations `com.openfaas.retry.*` with its defaults. */
import { BrambleError } from '../lib/errors.ts'
import { parseGoDuration } from './duration.ts'

export type RetryPolicy = {
  /** Tries in all, the first one included. */
  readonly attempts: number
  /** Statuses that are worth another try. */
  readonly codes: readonly number[]
  /** Wait before the second try; doubles with each further one. */
  readonly minWaitMs: number
  readonly maxWaitMs: number
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 100, codes: [408, 429, 500, 502, 503, 504], minWaitMs: 10_000, maxWaitMs: 120_000,
}

const PREFIX = 'com.openfaas.retry.'
/** Beyond it a message would be tried for months. */
const MAX_ATTEMPTS = 10_000

/** `INVALID` names the annotation. */
export function readRetryPolicy(annotations: Readonly<Record<string, string>>): RetryPolicy {
  const attempts = annotations[`${PREFIX}attempts`] ?? String(defaultRetryPolicy.attempts)
  if (!/^[0-9]{1,5}$/.test(attempts) || Number(attempts) < 1 || Number(attempts) > MAX_ATTEMPTS) {
    throw new BrambleError('INVALID', `annotation ${PREFIX}attempts must be a whole number from 1 to ${MAX_ATTEMPTS}, not "${attempts}"`)
  }
  const minWaitMs = wait(annotations, 'min_wait') ?? defaultRetryPolicy.minWaitMs
  const maxWaitMs = wait(annotations, 'max_wait') ?? Math.max(minWaitMs, defaultRetryPolicy.maxWaitMs)
  if (minWaitMs > maxWaitMs) {
    throw new BrambleError('INVALID', `annotation ${PREFIX}min_wait is longer than ${PREFIX}max_wait: lower one or raise the other`)
  }
  return { attempts: Number(attempts), codes: codes(annotations[`${PREFIX}codes`]), minWaitMs, maxWaitMs }
}

function wait(annotations: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = annotations[PREFIX + name]
  return text === undefined ? undefined : parseGoDuration(text, `annotation ${PREFIX}${name}`)
}

function codes(text: string | undefined): readonly number[] {
  if (text === undefined) return defaultRetryPolicy.codes
  return text.split(',').map((one) => {
    if (!/^[1-5][0-9]{2}$/.test(one.trim())) {
      throw new BrambleError('INVALID', `annotation ${PREFIX}codes must be statuses like 429,502,503, not "${text}"`)
    }
    return Number(one)
  })
}

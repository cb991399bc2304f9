/** The answer of a call as the message that goes to `X-Callback-Url`. Pure. */
import { serviceName } from '../openfaas/names.ts'
import type { CallResult } from './call-result.ts'
import { withoutHeaders } from './header-list.ts'
import type { CallHead, NewMessage } from './queue.ts'

/** Of the connection the answer came on, or set here. */
const notPassedOn = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'content-length', 'date', 'expect', 'host', 'x-call-id', 'x-start-time', 'x-served-by', 'x-function-name', 'x-function-status', 'x-duration-seconds',
  'x-retry', 'x-retry-max',
])

export type CallbackFacts = {
  readonly result: CallResult
  readonly seconds: number
  /** Tries before the one that gave this result. */
  readonly attempts: number
  readonly maxAttempts: number
}

export function callbackMessage(head: CallHead & { readonly callbackUrl: string }, facts: CallbackFacts): NewMessage {
  const { result, seconds, attempts, maxAttempts } = facts
  const headers = [
    ...withoutHeaders(result.headers, notPassedOn),
    'X-Call-Id', head.callId,
    'X-Function-Name', serviceName(head.ref),
    'X-Function-Status', String(result.status),
    'X-Duration-Seconds', seconds.toFixed(6),
    'X-Retry', String(attempts),
    'X-Retry-Max', String(maxAttempts),
  ]
  return { head: { kind: 'callback', ref: head.ref, callId: head.callId, url: head.callbackUrl, headers }, body: result.body ?? new Uint8Array(0) }
}

/** What `/async-function` takes: a request becomes a message, or the caller is told what is wrong with it. */
import { BrambleError } from '../lib/errors.ts'
import { parseGoDuration } from '../openfaas/duration.ts'
import type { CallbackSender } from './callback.ts'
import type { Dispatch } from './dispatch.ts'
import { headerOf } from './header-list.ts'
import type { AsyncCalls, AsyncRequest, NewMessage, Queue } from './queue.ts'

export type AsyncCallsDeps = {
  readonly queue: Queue
  readonly dispatch: Pick<Dispatch, 'cancel'>
  readonly callbacks: Pick<CallbackSender, 'check'>
  readonly bodyLimitBytes: number
}

/** Longer waits are a cron job. */
const MAX_DELAY_MS = 30 * 24 * 3_600_000
const MAX_KEY_LENGTH = 256

export function createAsyncCalls({ queue, dispatch, callbacks, bodyLimitBytes }: AsyncCallsDeps): AsyncCalls {
  return {
    bodyLimitBytes,
    async accept(request) {
      if (request.body.length > bodyLimitBytes) {
        throw new BrambleError('TOO_LARGE', `the request body is larger than ${bodyLimitBytes} bytes (async_body_limit)`)
      }
      const message = messageOf(request)
      if (message.head.kind === 'call' && message.head.callbackUrl !== undefined) callbacks.check(message.head.callbackUrl)
      return queue.enqueue(message)
    },
    cancel: (callId) => dispatch.cancel(callId),
  }
}

function messageOf({ ref, callId, method, path, headers, body }: AsyncRequest): NewMessage {
  // An empty header is no header.
  const callbackUrl = headerOf(headers, 'x-callback-url') || undefined
  const delay = headerOf(headers, 'x-delay') || undefined
  const idempotencyKey = headerOf(headers, 'x-idempotency-key') || undefined
  if (idempotencyKey !== undefined && idempotencyKey.length > MAX_KEY_LENGTH) {
    throw new BrambleError('INVALID', `X-Idempotency-Key is longer than ${MAX_KEY_LENGTH} characters`)
  }
  return {
    head: { kind: 'call', ref, callId, method, path, headers, ...(callbackUrl === undefined ? {} : { callbackUrl }) },
    body,
    ...(delay === undefined ? {} : { delayMs: delayOf(delay) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
}

function delayOf(text: string): number {
  const ms = parseGoDuration(text, 'X-Delay')
  if (ms > MAX_DELAY_MS) throw new BrambleError('INVALID', `X-Delay ${text} is longer than 30 days, the longest there is`)
  return ms
}

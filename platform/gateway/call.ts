/** One call on its way, and the plain answers the gateway gives by itself. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { httpStatusOf, reasonOf } from '../lib/errors.ts'
import type { Target } from './table.ts'

/** The attempt under way, as far as the call may touch it. */
export type Upstream = { abort(reason: Error): void }

export type Call = {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: Target
  readonly method: string
  /** What the function sees of the path. */
  readonly path: string
  readonly headers: string[]
  readonly contentType: string | undefined
  readonly callId: string
  /** Headers that every answer to this call carries. */
  readonly answerHeaders: readonly string[]
  readonly startedMs: number
  /** The whole body when it is small; `undefined` when it is streamed or there is none. */
  body: Buffer | undefined
  readonly isStreamed: boolean
  /** Bytes of a streamed body that were taken from the client: it cannot be sent again then. */
  takenBytes: number
  /** Set while a replica works on it. */
  upstream: Upstream | undefined
  /** Set while it waits for a replica: takes it out of the queue. */
  leave: (() => void) | undefined
  /** Why it was given up; an attempt that has not begun yet ends with it. */
  abortReason: Error | undefined
  isClientGone: boolean
  isFinished: boolean
  /** Times it was sent again after a replica may have seen it. */
  resends: number
}

/** Whether sending it twice does no harm. Source: RFC 9110 section 9.2.2. */
export function isIdempotent(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'OPTIONS'
}

/**
 * Answers with an error of the platform: plain text and `X-OpenFaaS-Internal`. A request whose body has not been
 * read ends its connection, so that nobody reads the body as the next request. Answers the status.
 */
export function refuse(
  req: IncomingMessage, res: ServerResponse, error: unknown, answerHeaders: readonly string[] = [],
): number {
  const status = httpStatusOf(error)
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return status
  }
  const text = status === 500 ? 'internal error; the gateway log tells more' : reasonOf(error)
  const headers = [
    'content-type', 'text/plain; charset=utf-8',
    'content-length', String(Buffer.byteLength(text)),
    'x-content-type-options', 'nosniff',
    'x-openfaas-internal', 'proxy',
    ...answerHeaders,
  ]
  if (status === 429 || status === 503) headers.push('retry-after', String(RETRY_AFTER_S))
  if (!req.complete && hasBody(req)) headers.push('connection', 'close')
  res.writeHead(status, headers)
  res.end(text)
  return status
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

const RETRY_AFTER_S = 1

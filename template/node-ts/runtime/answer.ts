/** Whole answers: a status, headers and a body that is in memory. */
import { type Call, callIdOf, durationOf, isAnswered } from './call.ts'
import type { Calls } from './calls.ts'
import { HttpError } from './http-error.ts'
import { log } from './log.ts'

/** Marks what the platform answered in the function's place; callers may try such a call again elsewhere. */
const INTERNAL = 'X-OpenFaaS-Internal'
const NAME = 'bramble-runtime'
const TEXT = 'text/plain; charset=utf-8'
/** How long and how much of a refused body is read on: a caller that is still sending would miss the answer otherwise. */
const LINGER_MS = 2000
const LINGER_BYTES = 4 * 1024 * 1024

/** `headers` alternate between name and value. Throws when Node refuses one of them; nothing is sent then. */
export function answer(
  calls: Calls, call: Call, status: number, headers: string[], body: string | Uint8Array,
): void {
  const { response } = call
  if (response === undefined || isAnswered(call)) return
  if (status !== 204 && status !== 304) {
    headers.push('content-length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength))
  }
  headers.push('x-duration-seconds', durationOf(call.startedAtMs))
  response.writeHead(status, headers)
  response.end(body)
  calls.endWhenSent(call)
}

/** An answer of the runtime's own, where the function has no say. */
export function refuse(calls: Calls, call: Call, status: number, message: string, headers: string[] = []): void {
  answer(calls, call, status, [...headers, 'content-type', TEXT, INTERNAL, NAME], `${message}\n`)
}

/** The same for a connection that speaks no HTTP any more, or not yet. */
export function rawRefusal(status: string, message: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Type: ${TEXT}\r\n${INTERNAL}: ${NAME}\r\n`
    + `Content-Length: ${Buffer.byteLength(message) + 1}\r\nConnection: close\r\n\r\n${message}\n`
}

/** Answers at once, then goes on reading for a while before the connection is closed. */
export function refuseBody(calls: Calls, call: Call, limitBytes: number): void {
  const { request, response } = call
  if (response === undefined || isAnswered(call)) return
  const message = `the body is larger than ${limitBytes} bytes, the function's body_limit\n`
  response.shouldKeepAlive = false
  response.writeHead(413, [
    'content-type', TEXT, INTERNAL, NAME, 'content-length', String(message.length), 'x-duration-seconds', durationOf(call.startedAtMs),
  ])
  response.write(message)

  let leftBytes = LINGER_BYTES
  const finish = (): void => {
    clearTimeout(timer)
    request.off('data', onData).off('end', finish).off('close', finish)
    response.end()
    calls.endWhenSent(call)
  }
  const onData = (chunk: Buffer): void => {
    leftBytes -= chunk.length
    if (leftBytes < 0) finish()
  }
  const timer = setTimeout(finish, LINGER_MS)
  request.on('data', onData).on('end', finish).on('close', finish)
}

/** The handler threw: an `HttpError` is for the caller; anything else is for the log, and the caller gets the call's id. */
export function answerError(calls: Calls, call: Call, error: unknown): void {
  const callId = callIdOf(call)
  if (isAnswered(call)) return log.warn('the handler failed after its answer', { callId, error })
  if (error instanceof HttpError) return answer(calls, call, error.status, ['content-type', TEXT], `${error.message}\n`)
  log.error('the handler failed', { callId, error })
  const message = `the function failed; its log says more under call id ${callId}\n`
  answer(calls, call, 500, ['content-type', TEXT, 'x-call-id', callId], message)
}

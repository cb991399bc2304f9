/** What a route answers, and how it is sent. */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PROBLEM_TYPE, type Problem, problemDocument } from './problem.ts'

export type AnswerHeaders = Readonly<Record<string, string | number | readonly string[]>>

export type Answer = {
  readonly status: number
  /** Names in lower case. */
  readonly headers?: AnswerHeaders
  /** A text is sent as UTF-8, a stream with back-pressure; nothing at all for 204 and redirects. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
}

/** Answers of a service are for one caller at one time, unless a route says otherwise. */
const DEFAULTS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export function json(value: unknown, status = 200, headers: AnswerHeaders = {}): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: JSON.stringify(value) }
}

/** 204: done, and nothing to say about it. */
export function nothing(headers: AnswerHeaders = {}): Answer {
  return { status: 204, headers }
}

export function problemAnswer(problem: Problem): Answer {
  return json(problemDocument(problem), problem.status, { ...problem.headers, 'content-type': PROBLEM_TYPE })
}

/** Resolves when the answer is handed over; rejects when a stream fails, whose caller then sees a connection that breaks. */
export async function send(response: ServerResponse, { status, headers = {}, body }: Answer): Promise<void> {
  const all: Record<string, string | number | readonly string[]> = { ...DEFAULTS, ...headers }
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    if (status !== 204 && status !== 304) all['content-length'] = body === undefined ? 0 : Buffer.byteLength(body)
    writeHead(response, status, all)
    response.end(body)
    return
  }
  const stream = Readable.from(body)
  // The caller hung up before there was anything to send.
  if (response.closed) return void stream.destroy()
  writeHead(response, status, all)
  await pipeline(stream, response)
}

function writeHead(response: ServerResponse, status: number, headers: AnswerHeaders): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.writeHead(status)
}

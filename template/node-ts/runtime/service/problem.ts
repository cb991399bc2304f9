/** What a caller is told when something is wrong: a problem document (RFC 9457) with a stable `code`. */
import { HttpError } from '../http-error.ts'

/** One bad field. */
export type FieldError = {
  readonly in: 'path' | 'query' | 'header' | 'body'
  /** Where inside it, as a JSON pointer (RFC 6901): `/statements/0/sql`; empty for all of it. */
  readonly path: string
  /** What is wrong with it. */
  readonly detail: string
}

export type ProblemExtras = {
  readonly errors?: readonly FieldError[]
  /** Sent with the answer, `Retry-After` for example; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of the document. */
  readonly members?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * Thrown anywhere in a route, it is the answer. `code` is lower_snake and never changes its meaning; callers compare it.
 * `detail` says what, which, and what to do. Any other throw is a 500 that tells the caller nothing but the call's id.
 */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>
  readonly members: Readonly<Record<string, unknown>>

  constructor(status: number, code: string, detail: string, { errors = [], headers = {}, members = {}, cause }: ProblemExtras = {}) {
    super(detail, { cause })
    this.name = 'Problem'
    this.status = status
    this.code = code
    this.errors = errors
    this.headers = headers
    this.members = members
  }
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** The body of the answer. */
export function problemDocument({ status, code, message, errors, members }: Problem): Record<string, unknown> {
  return {
    ...members,
    type: `urn:bramble:problem:${code}`,
    // The same for every occurrence of a type, as the RFC wants it.
    title: code.charAt(0).toUpperCase() + code.slice(1).replaceAll('_', ' '),
    status,
    detail: message,
    code,
    ...(errors.length > 0 && { errors }),
  }
}

/** Any thrown value as a problem. `isOurs` is false for what nobody meant for the caller: it belongs into the log. */
export function problemOf(error: unknown, callId: string): { readonly problem: Problem; readonly isOurs: boolean } {
  if (error instanceof Problem) return { problem: error, isOurs: true }
  if (error instanceof HttpError) return { problem: new Problem(error.status, 'refused', error.message), isOurs: true }
  if (error instanceof URIError) {
    return { problem: new Problem(400, 'bad_request', 'the path cannot be decoded: write UTF-8 as %XX'), isOurs: true }
  }
  const detail = `something failed that should not; the log of this service says more under call id ${callId}`
  return { problem: new Problem(500, 'internal', detail, { headers: { 'x-call-id': callId }, cause: error }), isOurs: false }
}

export function unauthorized(detail: string): Problem {
  return new Problem(401, 'unauthorized', detail, { headers: { 'www-authenticate': 'Bearer' } })
}

export function forbidden(detail: string): Problem {
  return new Problem(403, 'forbidden', detail)
}

export function notFound(detail: string): Problem {
  return new Problem(404, 'not_found', detail)
}

/** Not now: too much is under way. */
export function busy(detail: string, retryAfterSeconds: number): Problem {
  return new Problem(429, 'busy', detail, { headers: { 'retry-after': String(retryAfterSeconds) } })
}

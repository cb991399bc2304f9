/** The only error class of the platform, and the only table from an error to an HTTP status. */

const statusOf = {
  INVALID: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  CONFLICT: 409,
  TOO_LARGE: 413,
  UNPROCESSABLE: 422,
  BUSY: 429,
  INTERNAL: 500,
  UNSUPPORTED: 501,
  UPSTREAM: 502,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
} as const

export type ErrorCode = keyof typeof statusOf

/** A failure the caller can act on: `message` says what, which, and what to do. */
export class BrambleError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'BrambleError'
    this.code = code
  }
}

/** The HTTP status of any thrown value; what is not ours is 500. */
export function httpStatusOf(error: unknown): number {
  return error instanceof BrambleError ? statusOf[error.code] : 500
}

/** A one-line reason out of any thrown value. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}

/** Whether a thrown value is a Node system error with this `code`, `ENOENT` for example. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

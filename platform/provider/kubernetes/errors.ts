/** Errors of the Kubernetes API and of the way to it, in this platform's words. */
import { BrambleError, reasonOf, type ErrorCode } from '../../lib/errors.ts'
import { listAt, textAt } from './json.ts'

/** What the API answered instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number
  /** `AlreadyExists`, `Conflict`, `Expired` and so on Source: Kubernetes API conventions, "Status". */
  readonly reason: string

  constructor(status: number, reason: string, message: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.reason = reason
  }
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID', 401: 'UNAVAILABLE', 403: 'UNAVAILABLE', 404: 'NOT_FOUND', 409: 'CONFLICT', 413: 'TOO_LARGE', 422: 'INVALID',
  429: 'BUSY', 503: 'UNAVAILABLE', 504: 'TIMEOUT',
}

/** Out of an answer's status and body, which is a Status object or the text of something in between. */
export function apiErrorOf(status: number, body: string): ApiError {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return new ApiError(status, '', body.trim().slice(0, 300) || `status ${status}`)
  }
  const causes = listAt(json, 'details', 'causes')
    .map((cause) => [textAt(cause, 'field'), textAt(cause, 'message')].filter(Boolean).join(': '))
  return new ApiError(status, textAt(json, 'reason') ?? '',
    causes.length > 0 && status === 422 ? causes.join('; ') : textAt(json, 'message') ?? `status ${status}`)
}

export function isApiError(error: unknown, status: number, reason?: string): boolean {
  return error instanceof ApiError && error.status === status && (reason === undefined || error.reason === reason)
}

/** `what` is what was being done: "function echo in namespace openfaas-fn". */
export function translate(error: unknown, what: string): BrambleError {
  if (error instanceof BrambleError) return error
  if (!(error instanceof ApiError)) {
    return new BrambleError('UNAVAILABLE',
      `${what}: the Kubernetes API cannot be reached (${reasonOf(error)}); functions go on serving, changes have to wait for it`,
      { cause: error })
  }
  const code = codes[error.status] ?? (error.status >= 500 ? 'UNAVAILABLE' : 'INTERNAL')
  if (error.status === 401) {
    return new BrambleError(code, `${what}: the Kubernetes API does not know this platform's credentials`, { cause: error })
  }
  if (error.status === 403) {
    if (/exceeded quota|violates PodSecurity|is forbidden: (?:maximum|minimum)|denied the request/.test(error.message)) {
      return new BrambleError('INVALID', `${what}: ${error.message}`, { cause: error })
    }
    return new BrambleError(code,
      `${what}: the platform's account may not do that (${error.message}): give it the roles of deploy.yml`, { cause: error })
  }
  return new BrambleError(code, `${what}: ${error.message}`, { cause: error })
}

/** Runs `body`; whatever it throws is in this platform's words afterwards. */
export async function translated<T>(what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    throw translate(error, what)
  }
}

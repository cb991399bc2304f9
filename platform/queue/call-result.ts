/** What came back of a try: of a function's call, or of a callback. */
import { headerOf } from './header-list.ts'
import { parseRetryAfter, type Answered } from './retry.ts'

export type CallResult = {
  readonly status: number
  /** Flat list: name, value, … */
  readonly headers: readonly string[]
  /** `undefined` when it was not kept: nobody asked for it, or it is too large. */
  readonly body: Uint8Array | undefined
}

/** No answer at all counts as 503 from the platform, as OpenFaaS reports it. */
export const unreachable: CallResult = { status: 503, headers: ['x-openfaas-internal', 'proxy'], body: undefined }

export function answeredBy({ status, headers }: CallResult, nowMs: number): Answered {
  return {
    status,
    isInternal: headerOf(headers, 'x-openfaas-internal') !== undefined,
    retryAfterMs: parseRetryAfter(headerOf(headers, 'retry-after'), nowMs),
  }
}

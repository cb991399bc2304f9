/** Calls a function for a run as the cron connector does: through the gateway, with an empty body. */
import { request } from 'node:http'
import { serviceName } from '../openfaas/names.ts'
import type { Job } from './plan.ts'

/** Answers the status; rejects when there was no answer. How long a call may take is the gateway's to say. */
export type CallFunction = (job: Job, dueMs: number) => Promise<number>

export function createCall({ gatewayUrl }: { readonly gatewayUrl: () => string }): CallFunction {
  return ({ id, ref, invocation }, dueMs) => new Promise((resolve, reject) => {
    const path = `/${invocation === 'async' ? 'async-function' : 'function'}/${serviceName(ref)}`
    const call = request(gatewayUrl() + path, {
      method: 'POST', agent: false,
      headers: {
        'X-Topic': 'cron-function', 'X-Connector': 'cron-connector', 'Content-Length': 0,
        // A queue that has taken this run already does not take it twice.
        ...(invocation === 'async' ? { 'X-Idempotency-Key': `cron ${id} ${dueMs}` } : {}),
      },
    })
    call.on('response', (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
      answer.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })
}

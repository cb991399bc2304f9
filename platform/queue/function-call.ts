/** Calls a function as any client does, through the gateway: what waits, wakes, balances and counts is there already. */
import { Agent, request as httpRequest } from 'node:http'
import { serviceName } from '../openfaas/names.ts'
import type { CallResult } from './call-result.ts'
import type { CallHead } from './queue.ts'

/** `keepBytes`: the largest answer body that is kept. Rejects when nobody answered. */
export type FunctionCall = (head: CallHead, body: Uint8Array, keepBytes: number, signal: AbortSignal) => Promise<CallResult>

/** Connections that are kept for the next calls; more are opened while needed. */
const MAX_IDLE_SOCKETS = 32

export function createFunctionCall(deps: { readonly gatewayUrl: () => string }): { readonly call: FunctionCall; close(): void } {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE_SOCKETS })
  const call: FunctionCall = (head, body, keepBytes, signal) => new Promise((resolve, reject) => {
    const url = new URL(deps.gatewayUrl())
    const request = httpRequest({
      host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port, method: head.method, path: `/function/${serviceName(head.ref)}${head.path}`, agent, signal,
      headers: [...head.headers, 'Host', url.host, 'X-Call-Id', head.callId, 'Content-Length', String(body.length)],
    }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= keepBytes) chunks.push(chunk)
        else chunks.length = 0
      })
      response.on('end', () => resolve({
        status: response.statusCode ?? 0, headers: response.rawHeaders, body: bytes <= keepBytes ? Buffer.concat(chunks) : undefined,
      }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
  return { call, close: () => agent.destroy() }
}

/**
 * The floor: `node:http` in, undici's `dispatch` out, headers as the raw list, bodies piped, nothing else. What any
 * gateway made of these two parts must cost at least. `node test/bench/proxy-floor.ts http://host:port`
 */
import { createServer } from 'node:http'
import { Agent } from 'undici'
import { announce } from './announce.ts'

/** The same as the gateway may use to one replica; more than the callers of the bench. */
const CONNECTIONS = 256

const origin = process.argv[2] ?? ''
const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 })

announce(createServer((request, response) => {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  agent.dispatch({
    origin,
    path: request.url ?? '/',
    method: request.method ?? 'GET',
    headers: request.rawHeaders,
    body: hasBody ? request : null,
  }, {
    onRequestStart(controller) {
      response.on('close', () => { if (!response.writableFinished) controller.abort(new Error('caller gone')) })
      response.on('drain', () => controller.resume())
    },
    onResponseStart(controller, status) {
      const raw = controller.rawHeaders
      response.writeHead(status, Array.isArray(raw) ? raw.map(String) : [])
    },
    onResponseData(controller, chunk) {
      if (!response.write(chunk)) controller.pause()
    },
    onResponseEnd() {
      response.end()
    },
    onResponseError() {
      if (!response.headersSent) response.writeHead(502)
      response.end()
    },
  })
}))

/** The function's HTTP server: health, limits, and calls to the handler. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { rawRefusal, refuse } from './answer.ts'
import { builtin } from './builtin.ts'
import { abort, type Call, callIdOf, isAnswered } from './call.ts'
import { type Calls, createCalls } from './calls.ts'
import { createEventHandler } from './event-handler.ts'
import { createFetchHandler } from './fetch-handler.ts'
import { createListenerHandler, createUpgradeHandler, takeOver } from './listener-handler.ts'
import { log } from './log.ts'
import { createMetrics } from './metrics.ts'
import type { Settings } from './settings.ts'
import { shapeOf, type Shape } from './shape.ts'

export const http = builtin('node:http')

/** Longer than a gateway keeps idle connections in its pool, so that the gateway is the one to close them. */
const KEEP_ALIVE_MS = 90_000
/** Headers are small; who needs longer is an attack or a broken line. */
const HEADERS_TIMEOUT_MS = 20_000
/** How often Node looks for requests that are too slow; how late a 408 may be. */
const SLOW_CHECK_MS = 1000
/** When a caller that met `max_inflight` should come again: calls are short as a rule. */
const RETRY_AFTER_SECONDS = '1'

export type FunctionServer = {
  /** Opens both ports. Health is good from here on, readiness not before `load`. */
  listen(): Promise<{ port: number; metricsPort: number }>
  /** Gives calls to the handler. Throws when it has none of the three shapes. */
  load(handler: unknown): void
  /** Not ready any more; goes on accepting, but every answer closes its connection. */
  drain(): void
  /** Accepts nothing new; resolves when nothing is in flight. */
  close(): Promise<void>
  inFlight(): number
}

export function createFunctionServer(settings: Settings): FunctionServer {
  const metrics = createMetrics()
  let shape: Shape | undefined
  let handle: ((call: Call) => void) | undefined
  let handleUpgrade: ((call: Call, head: Buffer) => void) | undefined
  let isDraining = false

  const expire = (call: Call): void => {
    const { response } = call
    log.warn('a call took longer than it may', { callId: callIdOf(call), ms: Math.round(performance.now() - call.startedAtMs) })
    abort(call, 'TimeoutError', 'the call took longer than exec_timeout')
    if (response === undefined || isAnswered(call)) {
      call.socket.destroy()
      return
    }
    response.shouldKeepAlive = false
    if (call.isReceiving) refuse(calls, call, 408, 'the body did not arrive in time')
    else if (shape?.kind === 'listener') takeOver(calls, call, '504 Gateway Timeout', 'the function took too long')
    else refuse(calls, call, 504, 'the function took too long')
  }
  const calls = createCalls({ execTimeoutMs: settings.execTimeoutMs, metrics, expire })
  const isFull = (): boolean => settings.maxInflight > 0 && calls.inFlight() >= settings.maxInflight

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith('/_/')) {
      if (request.url === '/_/health') return say(response, 200, 'OK')
      if (request.url === '/_/ready') {
        const obstacle = handle === undefined ? 'loading' : isDraining ? 'stopping' : isFull() ? 'busy' : undefined
        return say(response, obstacle === undefined ? 200 : 503, obstacle ?? 'OK')
      }
    }
    const isRefused = handle === undefined || isFull()
    const call = calls.begin(request, response, request.socket)
    if (!isRefused) handle?.(call)
    else if (handle === undefined) refuse(calls, call, 503, 'the function is still loading', ['retry-after', RETRY_AFTER_SECONDS])
    else refuse(calls, call, 429, `the function is busy with ${settings.maxInflight} calls, its max_inflight`, ['retry-after', RETRY_AFTER_SECONDS])
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    request.socket.setTimeout(0)
    if (isFull()) return void socket.end(rawRefusal('429 Too Many Requests', 'the function is busy', `Retry-After: ${RETRY_AFTER_SECONDS}\r\n`))
    handleUpgrade?.(calls.begin(request, undefined, socket), head)
  }

  const server = http.createServer({
    requestTimeout: settings.readTimeoutMs,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, settings.readTimeoutMs || HEADERS_TIMEOUT_MS),
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: SLOW_CHECK_MS,
  }, onRequest)
  server.timeout = settings.writeTimeoutMs
  // Nothing moved on a connection: an idle one, or a caller that does not read. A call that has nothing to say yet may wait.
  server.on('timeout', (socket) => {
    if (calls.on(socket) === undefined || socket.writableLength > 0) socket.destroy()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseBytes(calls, error, socket))

  const metricsServer = http.createServer((request, response) => {
    if (request.url === '/metrics') say(response, 200, metrics.text(calls.inFlight()), 'text/plain; version=0.0.4; charset=utf-8')
    else say(response, 404, 'try /metrics')
  })

  return {
    async listen() {
      const port = await listen(server, settings.port, settings.host)
      return { port, metricsPort: await listen(metricsServer, settings.metricsPort, settings.host) }
    },

    load(handler) {
      shape = shapeOf(handler)
      if (shape.kind === 'event') handle = createEventHandler(shape.handler, calls, settings.bodyLimitBytes)
      else if (shape.kind === 'fetch') handle = createFetchHandler(shape.handler, calls)
      else {
        handle = createListenerHandler(shape.handler, calls)
        // Without a listener for upgrades Node treats them as plain requests, which is what other handlers want.
        if (shape.handler.upgrade !== undefined) {
          handleUpgrade = createUpgradeHandler(shape.handler, calls)
          server.on('upgrade', onUpgrade)
        }
      }
    },

    drain() {
      isDraining = true
      calls.closeConnections()
    },

    close() {
      server.close()
      return calls.idle()
    },

    inFlight: calls.inFlight,
  }
}

/** What does not parse as HTTP, or not in time, never becomes a call; one that was being read ends here. */
function refuseBytes(calls: Calls, error: NodeJS.ErrnoException, socket: Duplex): void {
  const call = calls.on(socket)
  const [status, message] = error.code === 'HPE_HEADER_OVERFLOW' ? ['431 Request Header Fields Too Large', 'the headers are too large']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'the request did not arrive in time']
      : ['400 Bad Request', 'this is not HTTP as it should be']
  if (socket.writable && !(call && isAnswered(call)) && error.code !== 'ECONNRESET') socket.end(rawRefusal(status, message), () => socket.destroy())
  else socket.destroy(error)
  if (call !== undefined) calls.end(call, parseInt(status))
}

function say(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, ['content-type', type, 'content-length', String(Buffer.byteLength(text))]).end(text)
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(host === '' ? { port } : { port, host }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** HTTP in: the listening socket, its limits, and a life in which no call is dropped. */
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { BrambleError, hasCode } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import type { Snapshot, SystemSeries } from '../metrics/exposition.ts'
import { loadOf, type FunctionLoad } from '../metrics/function-load.ts'
import { totalOf } from '../metrics/invocations.ts'
import type { Alert } from '../openfaas/alerts.ts'
import type { Provider } from '../provider/provider.ts'
import type { Credentials } from './auth.ts'
import { createDeadlines } from './deadlines.ts'
import { findFault } from './faults.ts'
import { createInvoke } from './invoke.ts'
import { createParking, type Waker } from './parking.ts'
import { originForm, parseFunctionPath } from './path.ts'
import { createForward } from './proxy.ts'
import { createRequestListener } from './server.ts'
import type { Version } from './system/info.ts'
import { createTable } from './table.ts'
import { createUpgrade } from './upgrade.ts'

export type GatewayLimits = {
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly upstreamTimeoutMs: number
  readonly readyTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly shutdownTimeoutMs: number
  readonly maxConnections: number
  readonly maxInFlight: number
  readonly maxWaiting: number
  readonly bodyLimitBytes: number
}

export type GatewayOptions = {
  readonly provider: Provider
  /** `undefined` leaves `/system` open. */
  readonly credentials: Credentials | undefined
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly limits: GatewayLimits
  readonly version: Version
  readonly log: Log
  /** Absent while nothing can wake a function. */
  readonly waker?: Waker
  /** Acts upon one alert of `/system/alert`. */
  readonly alert?: (alert: Alert) => Promise<void>
}

export type Gateway = Part & {
  url(): string
  isReady(): boolean
  snapshot(): Snapshot
  /** What each function has to do, as it is at this moment. */
  loads(): FunctionLoad[]
}

const MAX_HEADER_BYTES = 16_384
/** How often Node looks for slow requests: the precision of the header time limit. */
const CHECK_INTERVAL_MS = 1_000
/** How often a stopping gateway looks whether its last call has ended. */
const DRAIN_POLL_MS = 10

export function createGateway(options: GatewayOptions): Gateway {
  const { provider, credentials, host, port, limits, version, log } = options
  const servedBy = `bramble/${version.release}`
  const deadlines = createDeadlines()
  const table = createTable({ onDrained: (instance) => provider.drained(instance) })
  const forward = createForward({
    upstreamTimeoutMs: limits.upstreamTimeoutMs, writeTimeoutMs: limits.writeTimeoutMs,
    bodyLimitBytes: limits.bodyLimitBytes, deadlines,
  })
  const parking = createParking({
    waker: options.waker, maxWaiting: limits.maxWaiting, readyTimeoutMs: limits.readyTimeoutMs,
  })
  const invoke = createInvoke({
    table, parking, forward, deadlines, servedBy, log,
    readTimeoutMs: limits.readTimeoutMs, maxInFlight: limits.maxInFlight, bodyLimitBytes: limits.bodyLimitBytes,
  })
  const upgrade = createUpgrade({
    table, parking, servedBy, upstreamTimeoutMs: limits.upstreamTimeoutMs, maxUpgraded: limits.maxInFlight,
  })
  const system = new Map<string, SystemSeries>()
  let server: Server | undefined
  let unwatch: (() => void) | undefined
  let isReady = false
  let isStopping = false

  const listener = createRequestListener({
    provider, invoke, credentials, version, log, deadlines, alert: options.alert,
    readTimeoutMs: limits.readTimeoutMs,
    isReady: () => isReady,
    functions: {
      provider,
      invocationCount: (service) => {
        const target = table.find(service)
        return target === undefined ? 0 : totalOf(target.series)
      },
    },
    count(method, path, status, seconds) {
      const key = `${method} ${path} ${status}`
      const series = system.get(key) ?? { method, path, status, count: 0, sumSeconds: 0 }
      series.count++
      series.sumSeconds += seconds
      system.set(key, series)
    },
  })

  const listen = (): Server => {
    const created = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limits.readTimeoutMs,
      // Bodies have a limit of their own (deadlines.ts): a large upload may take longer than its head.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.readTimeoutMs),
      noDelay: true,
      shouldUpgradeCallback: isUpgrade,
    }, (req, res) => {
      if (isStopping) res.setHeader('connection', 'close')
      listener(req, res)
    })
    created.maxConnections = limits.maxConnections
    // Node drops headers beyond this number silently; the invoke path refuses far fewer.
    created.maxHeadersCount = 1_000
    created.on('upgrade', (req, socket: Duplex, head: Buffer) => {
      try {
        const fault = findFault(req.httpVersion, req.rawHeaders)
        if (fault !== undefined) throw fault
        const path = parseFunctionPath(originForm(req.url ?? ''))
        if (path === undefined) throw new BrambleError('NOT_FOUND', 'only functions take upgraded connections')
        upgrade.handle(req, socket, head, path)
      } catch (error) {
        upgrade.refuse(socket, error)
      }
    })
    created.on('connect', (_req, socket: Duplex) => {
      upgrade.refuse(socket, new BrambleError('METHOD_NOT_ALLOWED', 'this is not a proxy: CONNECT is not served'))
    })
    created.on('clientError', answerClientError)
    return created
  }

  return {
    url: () => `http://${host.includes(':') ? `[${host}]` : host}:${(server?.address() as AddressInfo | null)?.port ?? port}`,
    isReady: () => isReady,
    snapshot: () => ({
      functions: [...table.targets()].map((target) => target.series),
      services: [...table.targets()].map((target) => ({
        name: target.series.name, replicas: target.wantedReplicas, ready: target.replicas.length,
      })),
      system: system.values(),
      process: {
        cpuSeconds: cpuSeconds(), residentBytes: process.memoryUsage.rss(),
        startedAtSeconds: performance.timeOrigin / 1000,
      },
    }),
    loads() {
      const nowMs = performance.now()
      return Array.from(table.targets(), ({ series, waiting }) => loadOf(series, waiting.size, nowMs))
    },
    async start() {
      if (server !== undefined) return
      isStopping = false
      await deadlines.start()
      unwatch = provider.watch((change) => table.apply(change))
      const created = listen()
      await new Promise<void>((resolve, reject) => {
        created.once('error', (cause) => reject(hasCode(cause, 'EADDRINUSE')
          ? new BrambleError('CONFLICT', `port ${port} is taken; stop the program that holds it or set port`, { cause })
          : cause))
        created.listen({ port, host, backlog: 1_024 }, resolve)
      })
      server = created
      isReady = true
    },
    async stop() {
      isReady = false
      isStopping = true
      const stopping = server
      server = undefined
      if (stopping !== undefined) {
        const closed = new Promise<void>((resolve) => stopping.close(() => resolve()))
        const deadline = performance.now() + limits.shutdownTimeoutMs
        while ((invoke.inFlight() > 0 || upgrade.open() > 0) && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
        }
        const cut = invoke.inFlight() + upgrade.open()
        if (cut > 0) log.warn('calls cut at the end of shutdown_timeout', { calls: cut })
        upgrade.cutAll()
        stopping.closeAllConnections()
        await closed
      }
      unwatch?.()
      unwatch = undefined
      await deadlines.stop()
    },
  }
}

/**
 * Other protocols take over a connection; HTTP/2 does not, though some clients offer it with each request. Nor does a
 * request with a body: it would be lost.
 */
function isUpgrade(req: IncomingMessage): boolean {
  const { upgrade = '', 'content-length': length = '0', 'transfer-encoding': encoding } = req.headers
  return !/^h2c?\b/i.test(upgrade) && length === '0' && encoding === undefined
}

/** What the HTTP parser refuses: answered in one line, then the connection ends. */
function answerClientError(error: Error, socket: Duplex): void {
  if (!socket.writable || !mayAnswer(socket)) return void socket.destroy()
  const [status, text] = hasCode(error, 'HPE_HEADER_OVERFLOW') ? ['431 Request Header Fields Too Large', `headers are larger than ${MAX_HEADER_BYTES} bytes`]
    : hasCode(error, 'ERR_HTTP_REQUEST_TIMEOUT') ? ['408 Request Timeout', 'the request did not arrive in time (read_timeout)']
    : ['400 Bad Request', 'the request is not valid HTTP/1.1']
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(text)}\r\n` +
    `x-openfaas-internal: proxy\r\nconnection: close\r\n\r\n${text}`, () => socket.destroy())
}

/**
 * Not while an answer is under way, of which the line would become a part, nor while it is an earlier request's turn,
 * which would take it for its own. Node keeps the answer whose turn it is on the socket.
 */
function mayAnswer(socket: Duplex): boolean {
  const answer = '_httpMessage' in socket ? socket._httpMessage : undefined
  return !(answer instanceof ServerResponse) || (!answer.headersSent && !answer.req.complete)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The data path: the listening socket, its limits, calls to functions and back. What else is asked it hands on. */
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import { Server as SocketServer, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { BrambleError, hasCode, httpStatusOf } from '../lib/errors.ts'
import { listenError } from '../lib/listen-error.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import { refuse } from './call.ts'
import { createDeadlines } from './deadlines.ts'
import { findFault } from './faults.ts'
import { createInvoke } from './invoke.ts'
import { createParking, type Waker } from './parking.ts'
import { originForm, parseFunctionPath } from './path.ts'
import { createForward } from './proxy.ts'
import { createSilenceWatch } from './silence.ts'
import { createTable, type Table } from './table.ts'
import { createUpgrade } from './upgrade.ts'

export type DataPathLimits = {
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

export type DataPathOptions = {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Other processes listen on the same port, and the kernel spreads connections over them. */
  readonly isShared?: boolean
  readonly limits: DataPathLimits
  /** What `X-Served-By` says. */
  readonly servedBy: () => string
  /** Absent while nothing can wake a function. */
  readonly waker: Waker | undefined
  /** No call is left on a replica that is in no route any more. */
  readonly onDrained: (instance: string) => void
  /** A replica said that it serves, from this address. */
  readonly onAnnounced: (secret: string, host: string) => void
  /** Answers what is no call of a function. */
  readonly other: (req: IncomingMessage, res: ServerResponse) => void
  readonly log: Log
}

export type DataPath = Part & {
  readonly table: Table
  port(): number
  isListening(): boolean
}

const MAX_HEADER_BYTES = 16_384
/** How often Node looks for slow requests: the precision of the header time limit. */
const CHECK_INTERVAL_MS = 1_000
/** How often a stopping gateway looks whether its last call has ended. */
const DRAIN_POLL_MS = 10
/** A stopping gateway keeps idle connections for so long: the next request of a busy client may be on its way already. */
const QUIET_MS = 100
/** With what Kubernetes calls a pod: nobody else knows it before the pod runs. */
const ANNOUNCEMENT = /^\/_\/serving\/([0-9a-f-]{36})$/
/** Anybody may say that it serves, and each saying is looked up. */
const MAX_ANNOUNCEMENTS_A_SECOND = 200
const ASYNC_PREFIX = '/async-function/'

export function createDataPath(options: DataPathOptions): DataPath {
  const { host, port, limits, servedBy, other, log } = options
  const deadlines = createDeadlines()
  const table = createTable({ onDrained: options.onDrained })
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
  const silence = createSilenceWatch({ targets: table.targets, log })
  let server: Server | undefined
  let isStopping = false
  /** Asynchronous calls that are not yet answered: they wait for the disk, at another part. */
  let accepting = 0
  let lastAskedMs = 0
  let announcedSecond = 0
  let announcements = 0

  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    if (isStopping) {
      res.setHeader('connection', 'close')
      lastAskedMs = performance.now()
    }
    try {
      const fault = findFault(req.httpVersion, req.rawHeaders)
      if (fault !== undefined) {
        res.shouldKeepAlive = false
        throw fault
      }
      let url = req.url ?? ''
      if (!url.startsWith('/')) url = req.url = originForm(url)
      const path = parseFunctionPath(url)
      if (path !== undefined) return invoke.handle(req, res, path)
      if (url.startsWith(ASYNC_PREFIX)) {
        accepting++
        res.once('close', () => { accepting-- })
      }
      const [, secret] = req.method === 'POST' && ANNOUNCEMENT.exec(url) || []
      if (secret === undefined) return other(req, res)
      announce(secret, req.socket.remoteAddress ?? '')
      res.writeHead(204).end()
    } catch (error) {
      if (httpStatusOf(error) === 500) log.error('call failed', { error: error instanceof Error ? error.stack : String(error) })
      refuse(req, res, error)
    }
  }

  /** Whoever is not heard is found as if it had said nothing. */
  const announce = (secret: string, address: string): void => {
    const second = Math.floor(performance.now() / 1000)
    if (second !== announcedSecond) announcements = 0
    announcedSecond = second
    if (announcements++ >= MAX_ANNOUNCEMENTS_A_SECOND) return
    // Behind IPv6 sockets an IPv4 address has a prefix.
    options.onAnnounced(secret, address.replace(/^::ffff:/, ''))
  }

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
    }, answer)
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
    table,
    port: () => (server?.address() as AddressInfo | null)?.port ?? port,
    isListening: () => server !== undefined,
    async start() {
      if (server !== undefined) return
      isStopping = false
      await deadlines.start()
      await silence.start()
      const created = listen()
      await new Promise<void>((resolve, reject) => {
        created.once('error', (cause) => reject(listenError(cause, { host, port, setting: 'port' })))
        created.listen({ port, host, backlog: 1_024, reusePort: options.isShared ?? false }, resolve)
      })
      server = created
    },
    async stop() {
      isStopping = true
      const stopping = server
      server = undefined
      if (stopping !== undefined) {
        // The HTTP server's own close would cut idle connections at once.
        const closed = new Promise<void>((resolve) => { SocketServer.prototype.close.call(stopping, () => resolve()) })
        let isEmpty = false
        void closed.then(() => { isEmpty = true })
        lastAskedMs = performance.now()
        const deadline = lastAskedMs + limits.shutdownTimeoutMs
        const underWay = (): number => invoke.inFlight() + upgrade.open() + accepting
        const isQuiet = (): boolean => isEmpty || performance.now() - lastAskedMs >= QUIET_MS
        while ((underWay() > 0 || !isQuiet()) && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
        }
        if (underWay() > 0) log.warn('calls cut at the end of shutdown_timeout', { calls: underWay() })
        upgrade.cutAll()
        stopping.closeAllConnections()
        await closed
        // Its timer, which ends with its own close only.
        stopping.close()
      }
      await silence.stop()
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

/** Upgraded connections (WebSocket): the handshake goes to a replica, then bytes flow both ways until one side ends. */
import { randomUUID } from 'node:crypto'
import { request, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { BrambleError, httpStatusOf, reasonOf } from '../lib/errors.ts'
import { observe } from '../metrics/invocations.ts'
import { asideMs, choose } from './balance.ts'
import { readRequestHead } from './headers.ts'
import type { FunctionPath } from './path.ts'
import type { Replica, Table, Target } from './table.ts'

export type UpgradeOptions = {
  readonly table: Table
  readonly servedBy: string
  /** How long a function may take to answer the handshake. */
  readonly upstreamTimeoutMs: number
  readonly maxUpgraded: number
}

export type Upgrade = {
  handle(req: IncomingMessage, socket: Duplex, head: Buffer, path: FunctionPath): void
  refuse(socket: Duplex, error: unknown): void
  /** Open upgraded connections. */
  open(): number
  /** Cuts all of them. */
  cutAll(): void
}

/** Replicas tried for one handshake. */
const MAX_ATTEMPTS = 3

export function createUpgrade(options: UpgradeOptions): Upgrade {
  const { table, upstreamTimeoutMs, maxUpgraded, servedBy } = options
  const sockets = new Set<Duplex>()

  const refuse = (socket: Duplex, error: unknown): void => {
    const status = httpStatusOf(error)
    const text = reasonOf(error)
    socket.end(`HTTP/1.1 ${status} ${statusText(status)}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nx-openfaas-internal: proxy\r\nconnection: close\r\n\r\n${text}`)
  }

  const handle = (req: IncomingMessage, socket: Duplex, head: Buffer, path: FunctionPath): void => {
    socket.on('error', () => socket.destroy())
    const target = table.find(path.name)
    if (target === undefined) {
      return refuse(socket, new BrambleError('NOT_FOUND', `error finding function ${path.name}: it is not deployed`))
    }
    if (sockets.size >= maxUpgraded) {
      return refuse(socket, new BrambleError('BUSY', `${sockets.size} upgraded connections are open (max_inflight)`))
    }
    const startedMs = performance.now()
    target.series.started++
    target.series.inFlight++
    sockets.add(socket)
    connect({ req, socket, head, path, target, attempts: 1 }, undefined, (status) => {
      sockets.delete(socket)
      target.series.inFlight--
      observe(target.series, status, (performance.now() - startedMs) / 1000)
    })
  }

  type Handshake = {
    readonly req: IncomingMessage
    readonly socket: Duplex
    readonly head: Buffer
    readonly path: FunctionPath
    readonly target: Target
    attempts: number
  }

  const connect = (shake: Handshake, except: Replica | undefined, done: (status: number) => void): void => {
    const { req, socket, head, path, target } = shake
    const replica = choose(target.replicas, performance.now(), except)
    if (replica === undefined) {
      const error = new BrambleError('UNAVAILABLE', `no endpoints available for ${target.series.name}`)
      refuse(socket, error)
      return done(httpStatusOf(error))
    }
    const { headers, callId = randomUUID() } = readRequestHead(req.rawHeaders, peerOf(req))
    const { host, port } = replica.endpoint
    table.acquire(replica)
    let isOver = false
    const over = (status: number): void => {
      if (isOver) return
      isOver = true
      table.release(replica)
      done(status)
    }
    const outgoing = request({
      host, port, path: path.rest, method: req.method, agent: false, timeout: upstreamTimeoutMs,
      headers: [
        ...headers, 'Host', req.headers.host ?? host, 'X-Call-Id', callId, 'X-Start-Time', `${Date.now()}000000`,
        'Connection', 'Upgrade', 'Upgrade', req.headers.upgrade ?? '',
      ],
    })
    const added = `X-Call-Id: ${callId}\r\nX-Served-By: ${servedBy}\r\n`

    outgoing.on('upgrade', (answer, upstream, rest) => {
      upstream.setTimeout(0)
      socket.write(headOf(answer, added, true))
      if (rest.length > 0) socket.write(rest)
      if (head.length > 0) upstream.write(head)
      upstream.on('error', () => socket.destroy())
      socket.on('error', () => upstream.destroy())
      upstream.on('close', () => { socket.end(); over(101) })
      socket.on('close', () => upstream.destroy())
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    outgoing.on('response', (answer) => {
      // Not upgraded: the function's own answer goes out, then the connection ends.
      socket.write(headOf(answer, added, false))
      answer.pipe(socket)
      answer.on('close', () => over(answer.statusCode ?? 502))
    })
    outgoing.on('timeout', () => outgoing.destroy(new BrambleError('TIMEOUT', 'the function did not answer the handshake in time')))
    outgoing.on('error', (cause) => {
      if (isOver) return
      if (cause instanceof BrambleError || socket.destroyed) {
        refuse(socket, cause)
        return over(httpStatusOf(cause))
      }
      replica.failures++
      replica.asideUntilMs = performance.now() + asideMs(replica.failures)
      isOver = true
      table.release(replica)
      // A handshake changes nothing: it may be sent again.
      if (shake.attempts++ < MAX_ATTEMPTS) return connect(shake, replica, done)
      const error = new BrambleError('UPSTREAM', `no replica of ${target.series.name} took the connection: ${reasonOf(cause)}`, { cause })
      refuse(socket, error)
      done(httpStatusOf(error))
    })
    socket.on('close', () => outgoing.destroy())
    outgoing.end()
  }

  return {
    handle,
    refuse,
    open: () => sockets.size,
    cutAll: () => { for (const socket of sockets) socket.destroy() },
  }
}

function peerOf(req: IncomingMessage): string {
  return `${req.socket.remoteAddress}:${req.socket.remotePort}`
}

function headOf(answer: IncomingMessage, added: string, isUpgraded: boolean): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`]
  const raw = answer.rawHeaders
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    if (!isUpgraded && (name === 'connection' || name === 'transfer-encoding' || name === 'keep-alive')) continue
    lines.push(`${raw[index]}: ${raw[index + 1]}`)
  }
  if (!isUpgraded) lines.push('connection: close')
  return `${lines.join('\r\n')}\r\n${added}\r\n`
}

function statusText(status: number): string {
  return status === 404 ? 'Not Found' : status === 503 ? 'Service Unavailable' : 'Error'
}

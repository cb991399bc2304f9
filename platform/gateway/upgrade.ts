/** Upgraded connections (WebSocket): the handshake goes to a replica, then bytes flow both ways until one side ends. */
import { randomUUID } from 'node:crypto'
import { request, STATUS_CODES, type IncomingMessage } from 'node:http'
import { pipeline, type Duplex } from 'node:stream'
import { BrambleError, httpStatusOf, reasonOf } from '../lib/errors.ts'
import { begin, end } from '../metrics/invocations.ts'
import { chooseReplica } from './affinity.ts'
import { asideMs } from './balance.ts'
import { readRequestHead } from './headers.ts'
import type { Parking } from './parking.ts'
import type { FunctionPath } from './path.ts'
import type { Replica, Table, Target } from './table.ts'

export type UpgradeOptions = {
  readonly table: Table
  readonly parking: Parking
  readonly servedBy: () => string
  /** How long a function may take to answer the handshake. */
  readonly upstreamTimeoutMs: number
  readonly maxUpgraded: number
}

export type Upgrade = {
  handle(req: IncomingMessage, socket: Duplex, head: Buffer, path: FunctionPath): void
  /** Answers with the error and ends the connection. */
  refuse(socket: Duplex, error: unknown): void
  /** Upgraded connections under way. */
  open(): number
  /** Cuts all of them, and those still being refused. */
  cutAll(): void
}

/** Replicas tried for one handshake. */
const MAX_ATTEMPTS = 3
/** Status under which a handshake is counted whose caller left. Not sent to anybody. */
const CLIENT_GONE = 499
/** A caller may begin to talk before the handshake is answered; so much of it is kept. */
const MAX_EARLY_BYTES = 65_536

export function createUpgrade(options: UpgradeOptions): Upgrade {
  const { table, parking, upstreamTimeoutMs, maxUpgraded, servedBy } = options
  /** The server has let go of these: they are ours to close. */
  const sockets = new Set<Duplex>()
  let underWay = 0

  const adopt = (socket: Duplex): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }

  const refuse = (socket: Duplex, error: unknown): void => {
    if (!sockets.has(socket)) adopt(socket)
    if (socket.destroyed) return
    const status = httpStatusOf(error)
    const text = reasonOf(error)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nx-openfaas-internal: proxy\r\nconnection: close\r\n\r\n${text}`,
    () => socket.destroy())
  }

  const handle = (req: IncomingMessage, socket: Duplex, head: Buffer, path: FunctionPath): void => {
    adopt(socket)
    const target = table.find(path.name)
    if (target === undefined) {
      return refuse(socket, new BrambleError('NOT_FOUND', `error finding function ${path.name}: it is not deployed`))
    }
    if (underWay >= maxUpgraded) {
      return refuse(socket, new BrambleError('BUSY', `${underWay} upgraded connections are open (max_inflight)`))
    }
    const startedMs = performance.now()
    begin(target.series, startedMs)
    underWay++
    connect({ req, socket, path, target, takeEarly: keepEarly(socket, head), startedMs, attempts: 1 }, undefined, (status) => {
      underWay--
      end(target.series, status, startedMs, performance.now())
    })
  }

  type Handshake = {
    readonly req: IncomingMessage
    readonly socket: Duplex
    readonly path: FunctionPath
    readonly target: Target
    /** What the caller has said already; later bytes are the taker's to read. */
    readonly takeEarly: () => Buffer
    readonly startedMs: number
    attempts: number
  }

  const connect = (shake: Handshake, failed: { replica: Replica; error: Error } | undefined, done: (status: number) => void): void => {
    const { req, socket, path, target } = shake
    const replica = chooseReplica(target, { path: path.rest, headers: req.rawHeaders }, performance.now(), failed?.replica)
    if (replica === undefined) {
      const refused = (error: unknown): void => {
        socket.off('close', gone).off('end', gone)
        refuse(socket, error)
        done(httpStatusOf(error))
      }
      const gone = (): void => {
        leave()
        socket.off('close', gone).off('end', gone).destroy()
        done(CLIENT_GONE)
      }
      if (failed !== undefined) return refused(failed.error)
      socket.on('close', gone).on('end', gone)
      const leave = parking.park(target, shake.startedMs, {
        resume() {
          socket.off('close', gone).off('end', gone)
          connect(shake, undefined, done)
        },
        fail: refused,
      })
      return
    }
    const { headers, callId = randomUUID() } = readRequestHead(req.rawHeaders, peerOf(req))
    const { host, port } = replica.endpoint
    const startTime = `${Date.now()}000000`
    table.acquire(replica)
    let isOver = false
    let isAnswered = false
    const over = (status: number): void => {
      if (isOver) return
      isOver = true
      stayOrLeave('off')
      table.release(replica)
      done(status)
    }
    const outgoing = request({
      host, port, path: path.rest, method: req.method, agent: false, timeout: upstreamTimeoutMs,
      headers: [
        ...headers, 'Host', req.headers.host ?? host, 'X-Call-Id', callId, 'X-Start-Time', startTime,
        'Connection', 'Upgrade', 'Upgrade', req.headers.upgrade ?? '',
      ],
    })
    const abandon = (): void => {
      outgoing.destroy()
      socket.destroy()
      over(CLIENT_GONE)
    }
    const stayOrLeave = (how: 'on' | 'off'): void => { socket[how]('close', abandon)[how]('end', abandon) }
    const added = `X-Call-Id: ${callId}\r\nX-Start-Time: ${startTime}\r\nX-Served-By: ${servedBy()}\r\n`

    outgoing.on('upgrade', (answer, upstream, rest) => {
      stayOrLeave('off')
      upstream.setTimeout(0)
      socket.write(headOf(answer, added, true), 'latin1')
      if (rest.length > 0) socket.write(rest)
      upstream.write(shake.takeEarly())
      // Once the caller has ended its side, the function has so long between bytes to end its own.
      socket.on('end', () => upstream.setTimeout(upstreamTimeoutMs, () => upstream.destroy()))
      upstream.on('error', () => socket.destroy())
      upstream.on('close', () => {
        socket.end(() => socket.destroy())
        over(101)
      })
      socket.on('close', () => upstream.destroy())
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    outgoing.on('response', (answer) => {
      // Not upgraded: the function's own answer goes out, then the connection ends; a broken one cuts it.
      isAnswered = true
      stayOrLeave('off')
      shake.takeEarly()
      socket.write(headOf(answer, added, false), 'latin1')
      pipeline(answer, socket, () => {
        outgoing.destroy()
        socket.destroy()
        over(answer.statusCode ?? httpStatusOf(undefined))
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new BrambleError('TIMEOUT', 'the function did not answer the handshake in time (upstream_timeout)')))
    outgoing.on('error', (cause) => {
      if (isOver || isAnswered) return
      if (cause instanceof BrambleError) {
        refuse(socket, cause)
        return over(httpStatusOf(cause))
      }
      isOver = true
      stayOrLeave('off')
      replica.failures++
      replica.asideUntilMs = performance.now() + asideMs(replica.failures)
      table.release(replica)
      const error = new BrambleError('UPSTREAM', `no replica of ${target.series.name} took the connection: ${reasonOf(cause)}`, { cause })
      // A handshake changes nothing: it may be sent again.
      if (shake.attempts++ < MAX_ATTEMPTS) return connect(shake, { replica, error }, done)
      refuse(socket, error)
      done(httpStatusOf(error))
    })
    stayOrLeave('on')
    outgoing.end()
  }

  return {
    handle,
    refuse,
    open: () => underWay,
    cutAll: () => { for (const socket of sockets) socket.destroy() },
  }
}

/** Reads on, so that a caller who leaves is noticed. */
function keepEarly(socket: Duplex, head: Buffer): () => Buffer {
  let early = head
  const keep = (chunk: Buffer): void => {
    early = Buffer.concat([early, chunk])
    if (early.length > MAX_EARLY_BYTES) socket.pause()
  }
  socket.on('data', keep)
  return () => {
    socket.off('data', keep).resume()
    return early
  }
}

function peerOf(req: IncomingMessage): string {
  return `${req.socket.remoteAddress}:${req.socket.remotePort}`
}

/** Headers of a function's answer that the gateway says itself. */
const own = new Set(['x-call-id', 'x-start-time', 'x-served-by'])
/** Those that end here when the answer is no upgrade; its body arrives without chunks, up to the end of the connection. */
const hopByHop = new Set(['connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'trailer', 'proxy-connection'])

/** To be written as latin1, as it was read. */
function headOf(answer: IncomingMessage, added: string, isUpgraded: boolean): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`]
  const raw = answer.rawHeaders
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    if (own.has(name) || (!isUpgraded && hopByHop.has(name))) continue
    lines.push(`${raw[index]}: ${raw[index + 1]}`)
  }
  if (!isUpgraded) lines.push('connection: close')
  return `${lines.join('\r\n')}\r\n${added}\r\n`
}

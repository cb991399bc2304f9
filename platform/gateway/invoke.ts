/** `/function/NAME`: finds the replica, sends the call, tries another one where that is safe, counts. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BrambleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { begin, end } from '../metrics/invocations.ts'
import { chooseReplica } from './affinity.ts'
import { asideMs } from './balance.ts'
import { isIdempotent, refuse, type Call } from './call.ts'
import type { Deadlines } from './deadlines.ts'
import { readRequestHead } from './headers.ts'
import { letOne, type Parking } from './parking.ts'
import type { FunctionPath } from './path.ts'
import type { Forward, Outcome } from './proxy.ts'
import type { Replica, Table } from './table.ts'

export type InvokeOptions = {
  readonly table: Table
  readonly forward: Forward
  readonly deadlines: Deadlines
  readonly parking: Parking
  readonly servedBy: () => string
  readonly readTimeoutMs: number
  readonly maxInFlight: number
  readonly bodyLimitBytes: number
  readonly log: Log
}

export type Invoke = {
  handle(req: IncomingMessage, res: ServerResponse, path: FunctionPath): void
  /** Calls under way. */
  inFlight(): number
}

const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])
/** Bodies up to this size are held until sent, so that a call can be repeated; larger ones are only passed on. */
const HELD_BODY_BYTES = 16_384
const MAX_HEADERS = 256
/** A call that may have run is repeated once, not until every replica has died of it. */
const MAX_RESENDS = 1
/** Status under which a call is counted whose caller left. Not sent to anybody. */
const CLIENT_GONE = 499

export function createInvoke(options: InvokeOptions): Invoke {
  const { table, parking, forward, deadlines, maxInFlight, readTimeoutMs, bodyLimitBytes, log } = options
  let inFlight = 0

  const handle = (req: IncomingMessage, res: ServerResponse, path: FunctionPath): void => {
    const method = req.method ?? ''
    const raw = req.rawHeaders
    const socket = req.socket
    const head = readRequestHead(raw, `${socket.remoteAddress}:${socket.remotePort}`)
    const callId = head.callId ?? randomUUID()
    const startTime = `${Date.now()}000000`
    const answerHeaders = ['X-Call-Id', callId, 'X-Start-Time', startTime, 'X-Served-By', options.servedBy()]

    const target = table.find(path.name)
    const problem = !methods.has(method) ? new BrambleError('METHOD_NOT_ALLOWED', `functions are not called with ${method}`)
      : target === undefined ? new BrambleError('NOT_FOUND', `error finding function ${path.name}: it is not deployed`)
      : raw.length > 2 * MAX_HEADERS ? new BrambleError('INVALID', `more than ${MAX_HEADERS} headers`)
      : head.contentLength !== undefined && head.contentLength > bodyLimitBytes
        ? new BrambleError('TOO_LARGE', `the request body is larger than ${bodyLimitBytes} bytes (body_limit)`)
      : inFlight >= maxInFlight ? new BrambleError('BUSY', `${inFlight} calls are under way, the most this gateway takes (max_inflight)`)
      : undefined
    if (problem !== undefined || target === undefined) {
      refuse(req, res, problem, answerHeaders)
      return
    }

    const { headers } = head
    headers.push('X-Call-Id', callId, 'X-Start-Time', startTime)
    const length = head.contentLength
    const isHeld = !head.isChunked && length !== undefined && length > 0 && length <= HELD_BODY_BYTES
    const isStreamed = head.isChunked || (length !== undefined && length > HELD_BODY_BYTES)
    if (isStreamed && length !== undefined) headers.push('Content-Length', String(length))
    const call: Call = {
      req, res, target, method, path: path.rest, headers, contentType: head.contentType, callId, answerHeaders,
      startedMs: performance.now(), body: undefined, isStreamed, takenBytes: 0,
      upstream: undefined, leave: undefined, abortReason: undefined, isClientGone: false, isFinished: false, resends: 0,
    }
    inFlight++
    begin(target.series, call.startedMs)
    res.on('close', () => {
      if (res.writableFinished) return
      call.isClientGone = true
      abort(call, new Error('the caller hung up'))
    })
    if (isHeld) hold(call, length)
    else attempt(call, undefined, call.startedMs)
    if (isStreamed) watchBody(call)
  }

  /** Collects a small body, then goes on. */
  const hold = (call: Call, length: number): void => {
    const { req } = call
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    req.on('end', () => {
      deadlines.clear(req)
      call.body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length)
      attempt(call, undefined)
    })
    req.on('close', () => {
      if (!req.complete) finish(call, CLIENT_GONE)
    })
    // Most small bodies are here within this turn: only the slow ones get a deadline.
    setImmediate(() => { if (!req.complete) deadlines.set(req, readTimeoutMs, () => tooSlow(call)) })
  }

  const watchBody = (call: Call): void => {
    let seenBytes = -1
    const look = (): void => {
      if (call.req.complete || call.isFinished) return
      const isStuck = call.takenBytes === seenBytes && call.req.readableFlowing === true
      seenBytes = call.takenBytes
      if (isStuck) tooSlow(call)
      else deadlines.set(call.req, readTimeoutMs, look)
    }
    deadlines.set(call.req, readTimeoutMs, look)
  }

  const tooSlow = (call: Call): void => {
    const error = new BrambleError('REQUEST_TIMEOUT', 'the request body did not arrive in time (read_timeout)')
    if (!call.isStreamed) fail(call, error)
    else abort(call, error)
  }

  const abort = (call: Call, reason: Error): void => {
    call.abortReason = reason
    call.upstream?.abort(reason)
    if (call.leave === undefined) return
    call.leave()
    finish(call, CLIENT_GONE)
  }

  const attempt = (call: Call, except: Replica | undefined, nowMs = performance.now()): void => {
    const { target } = call
    if (call.isClientGone) return finish(call, CLIENT_GONE)
    const replica = chooseReplica(target, call, nowMs, except)
    if (replica === undefined) return park(call)
    table.acquire(replica)
    forward(call, replica, (outcome) => {
      table.release(replica)
      settle(call, replica, outcome)
    })
  }

  const settle = (call: Call, replica: Replica, outcome: Outcome): void => {
    if (outcome.kind === 'answered') {
      if (replica.failures !== 0) replica.failures = 0
      return finish(call, outcome.status)
    }
    if (call.isClientGone) return finish(call, CLIENT_GONE)
    if (outcome.kind === 'cut') return finish(call, outcome.status)
    const { error, mayHaveRun } = outcome
    if (!(error instanceof BrambleError) || error.code !== 'UPSTREAM') return fail(call, error)

    replica.failures++
    replica.asideUntilMs = performance.now() + asideMs(replica.failures)
    if (replica.failures === 1) {
      log.warn('replica set aside', { function: call.target.series.name, instance: replica.endpoint.instance, callId: call.callId, error })
    }
    const canRepeat = call.takenBytes === 0 && (!mayHaveRun || (isIdempotent(call.method) && call.resends < MAX_RESENDS))
    if (!canRepeat) return fail(call, error)
    if (mayHaveRun) call.resends++
    attempt(call, replica)
  }

  const park = (call: Call): void => {
    const leave = parking.park(call.target, call.startedMs, {
      resume() {
        call.leave = undefined
        attempt(call, undefined)
      },
      fail(error) {
        call.leave = undefined
        fail(call, error)
      },
    })
    if (!call.isFinished) call.leave = leave
  }

  const fail = (call: Call, error: unknown): void => {
    if (call.isFinished) return
    finish(call, refuse(call.req, call.res, error, call.answerHeaders))
  }

  const finish = (call: Call, status: number): void => {
    if (call.isFinished) return
    call.isFinished = true
    if (call.isStreamed) deadlines.clear(call.req)
    inFlight--
    end(call.target.series, status, call.startedMs, performance.now())
    letOne(call.target)
  }
  return { handle, inFlight: () => inFlight }
}

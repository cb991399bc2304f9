/** The calls in flight: how many, until when each may run, and what they were once they are over. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Call, newCall } from './call.ts'
import { parseDurationMs } from './duration.ts'
import type { Metrics } from './metrics.ts'

export type Calls = {
  begin(request: IncomingMessage, response: ServerResponse | undefined, socket: Duplex): Call
  /** From now on the deadline holds; for every call that does not end within the turn it began in. May be called twice. */
  watch(call: Call): void
  /** The call is over with this status. A second call does nothing. */
  end(call: Call, status: number): void
  /** For an answer that was ended: the call is over once its last byte has left the process. */
  endWhenSent(call: Call): void
  /** For an answer that others write: the call is over when Node has closed it. */
  endWhenClosed(call: Call): void
  /** The call that runs on a connection. */
  on(socket: Duplex): Call | undefined
  inFlight(): number
  /** From now on answers close their connections. */
  closeConnections(): void
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>
}

type Deps = {
  readonly execTimeoutMs: number
  readonly metrics: Metrics
  /** Gives up on a call whose time is over. */
  readonly expire: (call: Call) => void
}

export function createCalls({ execTimeoutMs, metrics, expire }: Deps): Calls {
  /** Ends of the queue of watched calls, by deadline. One timer serves all of them: the time allowed is mostly the same. */
  let first: Call | undefined
  let last: Call | undefined
  let timer: NodeJS.Timeout | undefined
  let timerAtMs = Infinity
  let inFlight = 0
  let isClosing = false
  let whenIdle: (() => void) | undefined

  const schedule = (deadlineMs: number): void => {
    if (deadlineMs >= timerAtMs) return
    clearTimeout(timer)
    timerAtMs = deadlineMs
    timer = setTimeout(expireDue, Math.max(1, deadlineMs - performance.now()))
  }

  const expireDue = (): void => {
    timerAtMs = Infinity
    const nowMs = performance.now()
    for (let call = first; call !== undefined && call.deadlineMs <= nowMs; call = first) {
      unlink(call)
      expire(call)
    }
    if (first !== undefined) schedule(first.deadlineMs)
  }

  const unlink = (call: Call): void => {
    if (call.earlier !== undefined) call.earlier.later = call.later
    else if (first === call) first = call.later
    else return
    if (call.later !== undefined) call.later.earlier = call.earlier
    else last = call.earlier
    call.earlier = call.later = undefined
  }

  const end = (call: Call, status: number): void => {
    if (call.isOver) return
    call.isOver = true
    unlink(call)
    inFlight--
    metrics.observe(call.request.method ?? '', status, (performance.now() - call.startedAtMs) / 1000)
    if (inFlight === 0) whenIdle?.()
  }

  const watch = (call: Call): void => {
    if (call.deadlineMs !== 0) return
    call.deadlineMs = call.startedAtMs + allowedMs(call.request, execTimeoutMs)
    let before = last
    while (before !== undefined && before.deadlineMs > call.deadlineMs) before = before.earlier
    call.earlier = before
    call.later = before === undefined ? first : before.later
    if (call.later === undefined) last = call
    else call.later.earlier = call
    if (before === undefined) first = call
    else before.later = call
    schedule(call.deadlineMs)
  }

  const endWhenClosed = (call: Call): void => {
    const { response } = call
    if (response === undefined || response.closed) return end(call, response?.statusCode ?? 0)
    watch(call)
    response.once('close', () => end(call, response.statusCode))
  }

  return {
    begin(request, response, socket) {
      inFlight++
      if (isClosing && response !== undefined) response.shouldKeepAlive = false
      return newCall(request, response, socket)
    },

    watch,
    end,
    endWhenSent(call) {
      if (call.response?.socket?.writableLength === 0) end(call, call.response.statusCode)
      else endWhenClosed(call)
    },
    endWhenClosed,
    on(socket) {
      let call = first
      while (call !== undefined && call.socket !== socket) call = call.later
      return call
    },

    inFlight: () => inFlight,
    closeConnections() {
      isClosing = true
      for (let call = first; call !== undefined; call = call.later) {
        if (call.response !== undefined) call.response.shouldKeepAlive = false
      }
    },
    idle: () => new Promise((resolve) => {
      if (inFlight === 0) resolve()
      else whenIdle = resolve
    }),
  }
}

/** `X-Timeout` may shorten the time a call has, never lengthen it. */
function allowedMs(request: IncomingMessage, execTimeoutMs: number): number {
  const limitMs = execTimeoutMs === 0 ? Infinity : execTimeoutMs
  const wanted = request.headers['x-timeout']
  if (typeof wanted !== 'string') return limitMs
  const wantedMs = parseDurationMs(wanted.trim())
  return wantedMs === undefined || wantedMs === 0 ? limitMs : Math.min(wantedMs, limitMs)
}

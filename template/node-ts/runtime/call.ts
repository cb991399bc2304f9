/** One request from its first header to the last byte of its answer, and which one the running code belongs to. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { builtin } from './builtin.ts'

const { AsyncLocalStorage } = builtin('node:async_hooks')

export type Call = {
  readonly request: IncomingMessage
  /** None on an upgraded connection. */
  readonly response: ServerResponse | undefined
  readonly socket: Duplex
  readonly startedAtMs: number
  /** Made when first asked for. */
  callId: string | undefined
  controller: AbortController | undefined
  /** Why the handler should give up; kept for a signal that is asked for later. */
  abortReason: Error | undefined
  isOver: boolean
  /** The body is still being read for the handler. */
  isReceiving: boolean
  /** When `exec_timeout` is over, and the neighbours in the queue of deadlines. */
  deadlineMs: number
  earlier: Call | undefined
  later: Call | undefined
}

export const currentCall = new AsyncLocalStorage<Call>()

/** Longer ids are cut: they go into every log line. */
const MAX_ID_LENGTH = 128

export function newCall(request: IncomingMessage, response: ServerResponse | undefined, socket: Duplex): Call {
  return {
    request, response, socket,
    startedAtMs: performance.now(),
    callId: undefined,
    controller: undefined,
    abortReason: undefined,
    isOver: false,
    isReceiving: false,
    deadlineMs: 0,
    earlier: undefined,
    later: undefined,
  }
}

/** The caller's `X-Call-Id`, or one of our own. */
export function callIdOf(call: Call): string {
  if (call.callId === undefined) {
    const sent = call.request.headers['x-call-id']
    const id = typeof sent === 'string' ? sent.trim() : ''
    call.callId = id === '' ? randomId() : id.slice(0, MAX_ID_LENGTH)
  }
  return call.callId
}

/** An answer was begun; what the handler says from now on is ignored. */
export function isAnswered(call: Call): boolean {
  return call.isOver || call.response?.headersSent === true
}

/** Seconds since then, as the header `X-Duration-Seconds` has them. */
export function durationOf(startedAtMs: number): string {
  const us = Math.round((performance.now() - startedAtMs) * 1000)
  // What most calls take is written without `toFixed`, which costs more than the header it is for.
  return us < 1e6 ? `0.${String(us + 1e6).slice(1)}` : (us / 1e6).toFixed(6)
}

/** The signal of a call; made when first asked for, because most handlers never do. */
export function signalOf(call: Call): AbortSignal {
  if (call.controller === undefined) {
    const controller = new AbortController()
    call.controller = controller
    if (call.abortReason !== undefined) controller.abort(call.abortReason)
    else onHungUp(call)
  }
  return call.controller.signal
}

/** Aborts the call when its caller hangs up, at once where that has happened: 'close' does not come twice. */
export function onHungUp(call: Call, act?: () => void): void {
  const { response } = call
  const onClose = (): void => {
    if (response?.writableFinished) return
    abort(call, 'AbortError', 'the caller hung up')
    act?.()
  }
  if (response?.closed) onClose()
  else response?.once('close', onClose)
}

export function abort(call: Call, name: string, message: string): void {
  if (call.abortReason !== undefined) return
  call.abortReason = Object.assign(new Error(message), { name })
  call.controller?.abort(call.abortReason)
}

/** `node:crypto` is half a megabyte: loaded only where a caller sends no id and one is needed. */
function randomId(): string {
  return builtin('node:crypto').randomUUID()
}

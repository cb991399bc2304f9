/** OpenFaaS's shape: `(event, context) => value`. */
import { answer, answerError, refuse, refuseBody } from './answer.ts'
import { hasBody, parseBody, readBody } from './body.ts'
import { type Call, callIdOf, currentCall, isAnswered, signalOf } from './call.ts'
import type { Calls } from './calls.ts'
import type { Context, Event, Handler, HeaderValues } from './handler.ts'
import { log } from './log.ts'
import { secret } from './secret.ts'
import { isThenable } from './thenable.ts'

/** What the handler says through its context. */
type Reply = {
  readonly call: Call
  status: number
  headers: HeaderValues | undefined
  readonly succeed: (value: unknown) => void
  readonly fail: (error: unknown) => void
}

/** What nginx counts a caller as who left before there was an answer. */
const CALLER_LEFT = 499

export function createEventHandler(handler: Handler, calls: Calls, bodyLimitBytes: number): (call: Call) => void {
  const wantsCallback = handler.length >= 3

  const run = (call: Call, body: unknown): void => {
    const succeed = (value: unknown): void => sendValue(calls, reply, value)
    const fail = (error: unknown): void => answerError(calls, call, error)
    const reply: Reply = { call, status: 200, headers: undefined, succeed, fail }
    const context: Context & { [REPLY]?: Reply } = Object.create(parts)
    context[REPLY] = reply
    try {
      // The answer is written outside of the call's scope: what Node makes there would carry the scope along.
      const result = currentCall.run(
        call, handler, eventOf(call, body), context,
        wantsCallback ? (error: unknown, value?: unknown) => (error === undefined || error === null ? succeed(value) : fail(error)) : ignore,
      )
      if (isThenable(result)) result.then(succeed, fail)
      else if (result !== undefined || !wantsCallback) succeed(result)
      if (!call.isOver) calls.watch(call)
    } catch (error) {
      fail(error)
    }
  }

  return (call) => {
    if (!hasBody(call.request.rawHeaders)) return run(call, undefined)
    calls.watch(call)
    call.isReceiving = true
    readBody(call, bodyLimitBytes, (bytes) => {
      if (isAnswered(call)) return
      if (bytes === undefined) return calls.end(call, CALLER_LEFT)
      if (bytes === 'too large') return refuseBody(calls, call, bodyLimitBytes)
      let body: unknown
      try {
        body = parseBody(bytes, call.request.headers['content-type'])
      } catch (error) {
        return refuse(calls, call, 400, `the body is not JSON: ${error instanceof Error ? error.message : ''}`)
      }
      call.isReceiving = false
      run(call, body)
    })
  }
}

function eventOf({ request }: Call, body: unknown): Event {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  return {
    body,
    headers: request.headers,
    method: request.method ?? 'GET',
    query: mark < 0 ? {} : parseQuery(url.slice(mark + 1)),
    path: mark < 0 ? url : url.slice(0, mark),
  }
}

/** Without a prototype: `__proto__` is a name like any other. */
function parseQuery(text: string): Event['query'] {
  const query: Event['query'] = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const before = query[name]
    if (before === undefined) query[name] = value
    else if (typeof before === 'string') query[name] = [before, value]
    else before.push(value)
  }
  return query
}

/**
 * The parts of a context: a prototype whose getters make what a handler asks for. In a literal that is made per call, getters
 * double the CPU time of a call, and functions are made for nothing; methods would be lost to `const { status } = context`.
 */
const REPLY = Symbol('reply')
const parts: Context & ThisType<Context & { readonly [REPLY]: Reply }> = {
  get callId() { return callIdOf(this[REPLY].call) },
  get signal() { return signalOf(this[REPLY].call) },
  get status() { return statusOf(this, this[REPLY]) },
  get headers() { return headersOf(this, this[REPLY]) },
  get succeed() { return this[REPLY].succeed },
  get fail() { return this[REPLY].fail },
  log,
  secret,
}

function statusOf(context: Context, reply: Reply): Context['status'] {
  function status(): number
  function status(code: number): Context
  function status(code?: number): number | Context {
    if (code === undefined) return reply.status
    if (!Number.isInteger(code) || code < 200 || code > 599) throw new RangeError(`status(${code}) is not from 200 to 599`)
    reply.status = code
    return context
  }
  return status
}

function headersOf(context: Context, reply: Reply): Context['headers'] {
  function headers(): HeaderValues
  function headers(values: HeaderValues): Context
  function headers(values?: HeaderValues): HeaderValues | Context {
    if (values === undefined) return reply.headers ?? {}
    reply.headers = { ...reply.headers, ...values }
    return context
  }
  return headers
}

/** A value as an answer: text, bytes, or JSON for everything else; nothing for `undefined`. */
function sendValue(calls: Calls, reply: Reply, value: unknown): void {
  const { call } = reply
  if (isAnswered(call)) return
  try {
    let type: string | undefined
    let body: string | Uint8Array = ''
    if (typeof value === 'string') {
      type = 'text/plain; charset=utf-8'
      body = value
    } else if (value instanceof Uint8Array) {
      type = 'application/octet-stream'
      body = value
    } else if (value !== undefined) {
      type = 'application/json'
      body = toJson(value)
    }
    answer(calls, call, reply.status, flatten(reply.headers, type), body)
  } catch (error) {
    answerError(calls, call, error)
  }
}

function toJson(value: unknown): string {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`the handler returned a ${typeof value}, which has no JSON`)
  return text
}

function flatten(values: HeaderValues | undefined, type: string | undefined): string[] {
  const list: string[] = []
  let missingType = type
  if (values !== undefined) {
    for (const [name, value] of Object.entries(values)) {
      const key = name.toLowerCase()
      if (key === 'content-type') missingType = undefined
      // The runtime counts for itself; a wrong length would cut or hang the answer.
      if (key === 'content-length' || key === 'transfer-encoding') continue
      for (const one of Array.isArray(value) ? value : [value]) list.push(name, String(one))
    }
  }
  if (missingType !== undefined) list.push('content-type', missingType)
  return list
}

function ignore(): void {}

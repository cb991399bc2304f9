/**
 * The web's shape: `{ fetch(request) }`. Nothing here is touched for other shapes: Node loads its `Request` and `Response`
 * when they are first used, and they are 7 MB.
 */
import type { ServerResponse } from 'node:http'
import type { ReadableStreamDefaultController } from 'node:stream/web'
import { answerError, refuse } from './answer.ts'
import { hasBody } from './body.ts'
import { type Call, callIdOf, currentCall, durationOf, isAnswered, onHungUp, signalOf } from './call.ts'
import type { Calls } from './calls.ts'
import type { CallContext, FetchHandler } from './handler.ts'
import { log } from './log.ts'
import { secret } from './secret.ts'

export function createFetchHandler(handler: FetchHandler, calls: Calls): (call: Call) => void {
  const run = async (call: Call): Promise<void> => {
    const request = toRequest(call)
    if (request === undefined) return refuse(calls, call, 405, `${call.request.method} is not for a fetch handler`)
    const response: unknown = await handler.fetch(request, contextOf(call))
    if (!(response instanceof Response)) throw new TypeError(`fetch must return a Response, not ${typeof response}`)
    if (isAnswered(call)) await response.body?.cancel()
    else await send(calls, call, response)
  }

  return (call) => {
    calls.watch(call)
    currentCall.run(call, () => run(call).catch((error: unknown) => {
      // A body that breaks because its reader went away is nobody's fault.
      if (call.abortReason === undefined || !isAnswered(call)) answerError(calls, call, error)
      if (!call.response?.writableEnded) call.response?.destroy()
    }))
  }
}

function contextOf(call: Call): CallContext {
  return { callId: callIdOf(call), signal: signalOf(call), log, secret }
}

/** `undefined` for methods that a `Request` cannot have. */
function toRequest(call: Call): Request | undefined {
  const { request } = call
  const method = request.method ?? 'GET'
  if (method === 'CONNECT' || method === 'TRACE') return undefined
  const headers = new Headers()
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    headers.append(request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '')
  }
  const body = method !== 'GET' && method !== 'HEAD' && hasBody(request.rawHeaders) ? bodyOf(call) : null
  return new Request(urlOf(call), { method, headers, body, duplex: 'half', signal: signalOf(call) })
}

function urlOf({ request }: Call): string {
  const path = request.url?.startsWith('/') ? request.url : '/'
  const host = request.headers.host ?? ''
  const url = `http://${host}${path}`
  return /^[-\w.:[\]]+$/.test(host) && URL.canParse(url) ? url : `http://localhost${path}`
}

/** Takes from the socket only what is read. What is left of it when the answer is out is thrown away. */
function bodyOf({ request, response }: Call): ReadableStream<Uint8Array> {
  let isStarted = false
  let detach = (): void => undefined

  const attach = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const onData = (chunk: Buffer): void => {
      controller.enqueue(new Uint8Array(chunk))
      request.pause()
    }
    const onEnd = (): void => {
      detach()
      controller.close()
    }
    const onBroken = (): void => {
      detach()
      controller.error(new Error('the caller hung up before the body was complete'))
    }
    detach = () => {
      request.off('data', onData).off('end', onEnd).off('close', onBroken).resume()
    }
    request.on('error', ignore).on('data', onData).on('end', onEnd).on('close', onBroken)
    response?.once('finish', () => detach())
    // Nothing is heard any more of a caller who hung up before the body was asked for.
    if (request.destroyed) onBroken()
  }

  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (!isStarted) attach(controller)
      isStarted = true
      request.resume()
    },
    cancel: () => detach(),
  }, { highWaterMark: 0 })
}

async function send(calls: Calls, call: Call, from: Response): Promise<void> {
  const to = call.response
  if (to === undefined) return
  const isHead = call.request.method === 'HEAD'
  const headers = ['x-duration-seconds', durationOf(call.startedAtMs)]
  from.headers.forEach((value, name) => headers.push(name, value))
  if (from.body === null && !isHead && hasLength(from.status)) headers.push('content-length', '0')
  to.writeHead(from.status, headers)
  calls.endWhenClosed(call)
  if (from.body === null || isHead) {
    to.end()
    return from.body?.cancel()
  }
  // Headers wait for a first chunk that is there already, but not for one that is yet to come.
  const flush = setImmediate(() => to.flushHeaders())
  const reader = from.body.getReader()
  onHungUp(call, () => void reader.cancel().catch(ignore))
  for (;;) {
    const { done, value } = await reader.read()
    clearImmediate(flush)
    if (done || to.destroyed) break
    if (!to.write(value)) await drained(to)
  }
  to.end()
}

function hasLength(status: number): boolean {
  return status !== 204 && status !== 304
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function ignore(): void {}

/** Node's shape: `{ listener, upgrade }`. The app owns the response; the runtime times it and looks after its end. */
import type { ServerResponse } from 'node:http'
import { answerError, rawRefusal } from './answer.ts'
import { type Call, callIdOf, currentCall, durationOf, isAnswered } from './call.ts'
import type { Calls } from './calls.ts'
import type { ListenerHandler } from './handler.ts'
import { log } from './log.ts'
import { isThenable } from './thenable.ts'

const SWITCHING_PROTOCOLS = 101

export function createListenerHandler(handler: ListenerHandler, calls: Calls): (call: Call) => void {
  const fail = (call: Call, response: ServerResponse, error: unknown): void => {
    if (!isAnswered(call)) for (const name of response.getHeaderNames()) response.removeHeader(name)
    answerError(calls, call, error)
    if (!response.writableEnded) response.destroy()
  }

  return (call) => {
    const { response } = call
    if (response === undefined) return
    stampDuration(call.startedAtMs, response)
    calls.endWhenClosed(call)
    try {
      const result = currentCall.run(call, () => handler.listener(call.request, response))
      if (isThenable(result)) result.then(undefined, (error: unknown) => fail(call, response, error))
    } catch (error) {
      fail(call, response, error)
    }
  }
}

/**
 * `X-Duration-Seconds` is known only when the app sends its headers. Knows no call: one that hung on its own response would be
 * a cycle that outlives young collections, and double the CPU time of a call.
 */
function stampDuration(startedAtMs: number, response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = (...args: unknown[]) => {
    if (!response.headersSent) response.setHeader('x-duration-seconds', durationOf(startedAtMs))
    Reflect.apply(writeHead, response, args)
    return response
  }
}

/**
 * Answers in the app's place when its time is over. The app may still write to its response, and would throw if that had
 * sent its headers; so the connection is taken away from under it.
 */
export function takeOver(calls: Calls, call: Call, status: string, message: string): void {
  const { response } = call
  const socket = response?.socket
  if (!response || !socket) {
    call.socket.destroy()
  } else {
    response.detachSocket(socket)
    socket.write(rawRefusal(status, message, `X-Duration-Seconds: ${durationOf(call.startedAtMs)}\r\n`))
    socket.destroySoon()
    response.destroy()
    response.emit('close')
  }
  calls.end(call, parseInt(status))
}

/** Connections that become something else count as one call until they are closed. */
export function createUpgradeHandler(handler: ListenerHandler, calls: Calls): (call: Call, head: Buffer) => void {
  const run = async ({ request, socket }: Call, head: Buffer): Promise<void> => {
    await handler.upgrade?.(request, socket, head)
  }

  return (call, head) => {
    const { socket } = call
    socket.once('close', () => calls.end(call, SWITCHING_PROTOCOLS))
    // A reset connection must not end the process of an app that does not listen for errors.
    socket.on('error', () => undefined)
    currentCall.run(call, () => run(call, head).catch((error: unknown) => {
      log.error('the upgrade failed', { callId: callIdOf(call), error })
      socket.destroy()
    }))
  }
}

/** Node's shape: `{ listener, upgrade }`. The app owns the response; the runtime times it and looks after its end. */
import type { ServerResponse } from 'node:http'
import { answerError, rawRefusal } from './answer.ts'
import { type Call, callIdOf, currentCall, durationOf } from './call.ts'
import type { Calls } from './calls.ts'
import type { ListenerHandler } from './handler.ts'
import { log } from './log.ts'

const SWITCHING_PROTOCOLS = 101

export function createListenerHandler(handler: ListenerHandler, calls: Calls): (call: Call) => void {
  const run = async (call: Call, response: ServerResponse): Promise<void> => {
    await handler.listener(call.request, response)
  }

  return (call) => {
    const { response } = call
    if (response === undefined) return
    stampDuration(call, response)
    calls.endWhenClosed(call)
    currentCall.run(call, () => run(call, response).catch((error: unknown) => {
      if (!call.isAnswered) for (const name of response.getHeaderNames()) response.removeHeader(name)
      answerError(calls, call, error)
      if (!response.writableEnded) response.destroy()
    }))
  }
}

/** `X-Duration-Seconds` is known only when the app sends its headers. */
function stampDuration(call: Call, response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = (...args: unknown[]) => {
    if (!response.headersSent) response.setHeader('x-duration-seconds', durationOf(call))
    Reflect.apply(writeHead, response, args)
    call.isAnswered = true
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
    socket.write(rawRefusal(status, message, `X-Duration-Seconds: ${durationOf(call)}\r\n`))
    socket.destroySoon()
    response.destroy()
    response.emit('close')
  }
  call.isAnswered = true
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

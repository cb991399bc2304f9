/** The three shapes a handler may have, as a function's author sees them. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Log } from './log.ts'

/** OpenFaaS's shape. A returned value is the answer, a throw is a 500 (or `HttpError`'s status). */
export type Handler<Body = unknown> = (
  event: Event<Body>, context: Context, callback: (error: unknown, value?: unknown) => void,
) => unknown

/** The web's shape: streaming bodies both ways. `request.signal` fires on hang-up and `exec_timeout`. */
export type FetchHandler = {
  fetch(request: Request, context: CallContext): Response | Promise<Response>
}

/** Node's shape; an Express app is a listener. `upgrade` takes WebSocket connections. */
export type ListenerHandler = {
  listener(request: IncomingMessage, response: ServerResponse): unknown
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): unknown
}

export type Event<Body = unknown> = {
  /** JSON parsed, text and forms as a string, anything else a Buffer, no body `undefined`; by content type. */
  readonly body: Body
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  readonly method: string
  /** Decoded; a name that comes twice has an array. */
  readonly query: Record<string, string | string[]>
  /** As sent, without the query. */
  readonly path: string
}

export type HeaderValues = Record<string, string | number | readonly string[]>

export type CallContext = {
  readonly callId: string
  /** Fires when the caller hangs up or `exec_timeout` is over. */
  readonly signal: AbortSignal
  readonly log: Log
  /** The text of a secret without its last line break; throws when there is none of that name. */
  secret(name: string): string
}

export type Context = CallContext & {
  /** With a number: sets the status of the answer. Without: answers it. */
  status(code: number): Context
  status(): number
  /** With values: adds them to the headers of the answer. Without: answers them. */
  headers(values: HeaderValues): Context
  headers(): HeaderValues
  /** Answers the call; the first of `succeed`, `fail`, return and throw counts. */
  succeed(value?: unknown): void
  /** The same as a throw. */
  fail(error: unknown): void
}

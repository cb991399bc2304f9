/**
 * `@bramble/runtime`: one HTTP server around one handler. A function imports types, `HttpError`, `log` and `secret` from
 * here; the entry of its bundle calls `serve`.
 */
export { HttpError } from './http-error.ts'
export { log } from './log.ts'
export { secret } from './secret.ts'
export { serve } from './serve.ts'
export type {
  CallContext, Context, Event, FetchHandler, Handler, HeaderValues, ListenerHandler,
} from './handler.ts'
export type { Fields, Log } from './log.ts'

/** Which of the three shapes a handler has. */
import type { FetchHandler, Handler, ListenerHandler } from './handler.ts'

export type Shape =
  | { readonly kind: 'event'; readonly handler: Handler }
  | { readonly kind: 'fetch'; readonly handler: FetchHandler }
  | { readonly kind: 'listener'; readonly handler: ListenerHandler }

/** Throws with one line for whoever wrote the handler. */
export function shapeOf(value: unknown): Shape {
  if (typeof value === 'function' && 'listen' in value) {
    throw new Error('the handler exports an app itself: write "export default { listener: app }"')
  }
  if (isFunction(value)) return { kind: 'event', handler: value }
  if (isFetchHandler(value)) return { kind: 'fetch', handler: value }
  if (isListenerHandler(value)) return { kind: 'listener', handler: value }
  throw new Error(`the handler must have a default export that is (event, context) => …, { fetch(request) } or { listener: app }; `
    + `this one is ${nameOf(value)}`)
}

function isFunction(value: unknown): value is Handler {
  return typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value))
}

function isFetchHandler(value: unknown): value is FetchHandler {
  return typeof value === 'object' && value !== null && 'fetch' in value && typeof value.fetch === 'function'
}

function isListenerHandler(value: unknown): value is ListenerHandler {
  return typeof value === 'object' && value !== null && 'listener' in value && typeof value.listener === 'function'
    && (!('upgrade' in value) || value.upgrade === undefined || typeof value.upgrade === 'function')
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a class' : JSON.stringify(value)
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.slice(0, 5).join(', ')}`
}

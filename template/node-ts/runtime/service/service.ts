/**
 * A service: its table of routes behind one Express app, with everything that is the same for all of them. Order of a call:
 * route (404, 405), `authorize` (401, 403), input (400, 413, 415), `handle`. Two routes are there without being listed, both
 * public: `/healthz` and `/openapi.json`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { callIdOf, currentCall, signalOf } from '../call.ts'
import type { ListenerHandler } from '../handler.ts'
import { log } from '../log.ts'
import { type Answer, json, problemAnswer, send } from './answer.ts'
import { readBody } from './body.ts'
import { openApiOf, type ServiceInfo } from './openapi.ts'
import { type FieldError, notFound, Problem, problemOf } from './problem.ts'
import type { Incoming, Method, Route, RouteSpec } from './route.ts'
import { checkValue, createTextReader, type Schema } from './schema.ts'

type Next = (error?: unknown) => void
type AppRequest = IncomingMessage & { readonly params: Readonly<Record<string, string | string[]>> }

/** What is used of Express. */
export type App = {
  (request: IncomingMessage, response: ServerResponse): unknown
  set(name: string, value: unknown): unknown
  all(path: string, handler: (request: AppRequest, response: ServerResponse) => void): unknown
  use(handler: (request: IncomingMessage, response: ServerResponse) => void): unknown
  use(handler: (error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => void): unknown
}

export type ServiceOptions<Caller> = ServiceInfo & {
  /** `express()`, as it comes. */
  readonly app: App
  readonly routes: readonly Route<Caller>[]
  /**
   * Who calls, for every route, `public` ones included (`route.access` says which). Throws `unauthorized` or `forbidden`.
   * Runs before the body is read.
   */
  authorize(request: IncomingMessage, route: RouteSpec): Promise<Caller> | Caller
  /** Throws when the service cannot do its work; the problem is what `/healthz` says. */
  health?(): Promise<void> | void
}

const DEFAULT_BODY_LIMIT_BYTES = 1024 * 1024
/** The description changes with the service only. */
const DESCRIPTION_HEADERS = { 'cache-control': 'public, max-age=300' }

/** The default export of a handler. Throws when a schema cannot be described or two routes are the same. */
export function createService<Caller>(options: ServiceOptions<Caller>): ListenerHandler {
  const { app, routes, authorize, health } = options
  app.set('x-powered-by', false)
  app.set('etag', false)
  app.set('query parser', false)
  app.set('case sensitive routing', true)
  app.set('strict routing', true)

  const own = [
    ownRoute('/healthz', 'health', 'Whether the service works', async () => {
      await health?.()
      return json({ status: 'ok' })
    }),
    ownRoute('/openapi.json', 'description', 'This description', () => description),
  ]
  const description = json(openApiOf(options, [...own, ...routes]), 200, DESCRIPTION_HEADERS)

  const handlers = new Map<string, Map<string, (request: AppRequest, response: ServerResponse) => Promise<void>>>()
  const add = <Who>(route: Route<Who>, who: (request: IncomingMessage) => Promise<Who> | Who): void => {
    const methods = handlers.get(route.at) ?? new Map()
    handlers.set(route.at, methods)
    if (methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.at}`)
    methods.set(route.method, createRouteHandler(route, who))
  }
  for (const route of own) add(route, () => undefined)
  for (const route of routes) add(route, (request) => authorize(request, route))

  for (const [at, methods] of handlers) {
    const allow = [...methods.keys()].flatMap((method) => method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]).join(', ')
    app.all(at, (request, response) => {
      const method = request.method === 'HEAD' ? 'get' : (request.method ?? '').toLowerCase()
      const handle = methods.get(method)
      if (handle !== undefined) return void handle(request, response)
      if (method === 'options') return void send(response, { status: 204, headers: { allow } })
      refuse(response, new Problem(405, 'method_not_allowed', `${request.method} is not possible here, only ${allow}`, { headers: { allow } }))
    })
  }
  app.use((request, response) => refuse(response, notFound(`there is nothing at ${pathOf(request)}; /openapi.json tells what there is`)))
  // Express knows error handlers by their four parameters.
  app.use((error: unknown, _request: IncomingMessage, response: ServerResponse, _next: Next) => refuse(response, error))
  return { listener: app }
}

function ownRoute(at: string, id: string, summary: string, handle: () => Promise<Answer> | Answer): Route<undefined> {
  return { method: 'get' satisfies Method, at, id, summary, access: 'public', answers: { 200: { description: summary, type: 'application/json' } }, handle }
}

function createRouteHandler<Caller>(
  route: Route<Caller>, who: (request: IncomingMessage) => Promise<Caller> | Caller,
): (request: AppRequest, response: ServerResponse) => Promise<void> {
  const readInput = createInputReader(route)
  return async (request, response) => {
    const call = currentCall.getStore()
    if (call === undefined) throw new Error('a service runs in the function runtime')
    try {
      const caller = await who(request)
      const input = await readInput(request)
      const incoming = { ...input, caller, request, response, callId: callIdOf(call), get signal() { return signalOf(call) } }
      await send(response, await route.handle(incoming))
    } catch (error) {
      refuse(response, error, route.refuse)
    }
  }
}

type Input = Pick<Incoming<unknown, unknown, unknown, unknown, unknown>, 'path' | 'query' | 'headers' | 'body'>

/** Everything that is wrong with path, query, headers and body goes into one answer. */
function createInputReader(route: RouteSpec): (request: AppRequest) => Promise<Input> {
  const readPath = createPartReader(route.path, 'path')
  const readQuery = createPartReader(route.query, 'query')
  const readHeaders = createPartReader(route.headers, 'header')
  const bodyOptions = { type: route.bodyType ?? 'application/json', limitBytes: route.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES }
  return async (request) => {
    const errors: FieldError[] = []
    const take = <T>(result: { readonly value: T } | { readonly errors: readonly FieldError[] }): T | undefined => {
      if ('value' in result) return result.value
      errors.push(...result.errors)
      return undefined
    }
    const path = take(await readPath(textsOf(Object.entries(request.params))))
    const query = take(await readQuery(textsOf(new URLSearchParams(queryOf(request)))))
    const headers = route.headers === undefined ? {} : take(await readHeaders(textsOf(Object.entries(request.headers))))
    const body = route.body === undefined ? undefined
      : take(await checkValue(route.body, await readBody(request, bodyOptions), 'body'))
    if (errors.length > 0) {
      throw new Problem(400, 'invalid_input', errors.map(({ in: where, path: at, detail }) => `${where}${at}: ${detail}`).join('; '), { errors })
    }
    return { path, query, headers, body }
  }
}

type PartReader = (texts: Map<string, string[]>) => ReturnType<typeof checkValue>

function createPartReader(schema: Schema | undefined, place: FieldError['in']): PartReader {
  if (schema === undefined) {
    return async (texts) => texts.size === 0 ? { value: {} }
      : { errors: [...texts.keys()].map((name) => ({ in: place, path: `/${name}`, detail: 'is not known here' })) }
  }
  const read = createTextReader(schema, { isOnlyKnown: place === 'header' })
  return async (texts) => await checkValue(schema, read(texts), place)
}

function textsOf(entries: Iterable<readonly [string, string | string[] | undefined]>): Map<string, string[]> {
  const texts = new Map<string, string[]>()
  for (const [name, value] of entries) {
    if (value !== undefined) texts.set(name, [...texts.get(name) ?? [], ...typeof value === 'string' ? [value] : value])
  }
  return texts
}

function refuse(response: ServerResponse, error: unknown, form: (problem: Problem) => Answer = problemAnswer): void {
  const call = currentCall.getStore()
  const callId = call === undefined ? '' : callIdOf(call)
  const { problem, isOurs } = problemOf(error, callId)
  if (!isOurs) log.error('a route failed', { error })
  else if (problem.status >= 500) log.warn('a call was refused', { code: problem.code, error: problem })
  if (response.headersSent) return void response.destroy()
  void send(response, form(problem))
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function queryOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const at = url.indexOf('?')
  return at < 0 ? '' : url.slice(at + 1)
}

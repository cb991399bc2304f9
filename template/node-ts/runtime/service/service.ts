/**
 * A service: its table of routes, with everything that is the same for all of them. Order of a call: route (404, 405),
 * `authorize` (401, 403), input (400, 413, 415), `handle`. Two routes are there without being listed, both public: `/healthz`
 * and `/openapi.json`. See `test/fixtures/functions/service/handler.ts` for a whole one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { callIdOf, currentCall, signalOf } from '../call.ts'
import type { ListenerHandler } from '../handler.ts'
import { log } from '../log.ts'
import { type Answer, json, problemAnswer, send } from './answer.ts'
import { checkType, readBody } from './body.ts'
import { openApiOf, type ServiceInfo } from './openapi.ts'
import { type FieldError, notFound, Problem, problemOf } from './problem.ts'
import type { Incoming, Method, Route, RouteSpec } from './route.ts'
import { createRouter } from './router.ts'
import { checkValue, createTextReader, type Schema } from './schema.ts'

export type ServiceOptions<Caller> = ServiceInfo & {
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

type Handle = (request: IncomingMessage, response: ServerResponse, params: Readonly<Record<string, string>>) => Promise<void>

/** The default export of a handler. Throws when a schema cannot be described or two routes are the same. */
export function createService<Caller>(options: ServiceOptions<Caller>): ListenerHandler {
  const { routes, authorize, health } = options
  const own = [
    ownRoute('/healthz', 'health', 'Whether the service works', async () => {
      await health?.()
      return json({ status: 'ok' })
    }),
    ownRoute('/openapi.json', 'description', 'This description', () => description),
  ]
  const description = json(openApiOf(options, [...own, ...routes]), 200, DESCRIPTION_HEADERS)

  const resources = new Map<string, Map<string, Handle>>()
  const add = <Who>(route: Route<Who>, who: (request: IncomingMessage) => Promise<Who> | Who): void => {
    const methods = resources.get(route.at) ?? new Map<string, Handle>()
    resources.set(route.at, methods)
    if (methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.at}`)
    methods.set(route.method, createRouteHandler(route, who))
  }
  for (const route of own) add(route, () => undefined)
  for (const route of routes) add(route, (request) => authorize(request, route))
  const router = createRouter<Map<string, Handle>>()
  for (const [at, methods] of resources) router.add(at, methods)

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = pathOf(request)
    const match = router.find(path)
    if (match === undefined) throw notFound(`there is nothing at ${path}; /openapi.json tells what there is`)
    const { method = 'GET' } = request
    const handle = match.found.get(method === 'HEAD' ? 'get' : method.toLowerCase())
    if (handle !== undefined) return handle(request, response, match.params)
    const allow = [...match.found.keys()].map((one) => one === 'get' ? 'GET, HEAD' : one.toUpperCase()).join(', ')
    if (method === 'OPTIONS') return send(response, { status: 204, headers: { allow } })
    throw new Problem(405, 'method_not_allowed', `${method} is not possible here, only ${allow}`, { headers: { allow } })
  }
  return {
    listener: (request, response) => answer(request, response).catch((error: unknown) => refuse(response, error)),
  }
}

function ownRoute(at: string, id: string, summary: string, handle: () => Promise<Answer> | Answer): Route<undefined> {
  return { method: 'get' satisfies Method, at, id, summary, access: 'public', answers: { 200: { description: summary, type: 'application/json' } }, handle }
}

function createRouteHandler<Caller>(route: Route<Caller>, who: (request: IncomingMessage) => Promise<Caller> | Caller): Handle {
  const readInput = createInputReader(route)
  return async (request, response, params) => {
    const call = currentCall.getStore()
    if (call === undefined) throw new Error('a service runs in the function runtime')
    try {
      const caller = await who(request)
      const input = await readInput(request, params)
      const incoming = { ...input, caller, request, response, get callId() { return callIdOf(call) }, get signal() { return signalOf(call) } }
      await send(response, await route.handle(incoming))
    } catch (error) {
      refuse(response, error, (problem) => route.refuse?.(problem, request) ?? problemAnswer(problem))
    } finally {
      // What nobody wanted of the body goes by: left where it is, it would be in the way of the connection's next call.
      if (!request.complete) request.resume()
    }
  }
}

type Input = Pick<Incoming<unknown, unknown, unknown, unknown, unknown>, 'path' | 'query' | 'headers' | 'body'>

/** Everything that is wrong with path, query, headers and body goes into one answer. */
function createInputReader(route: RouteSpec): (request: IncomingMessage, params: Readonly<Record<string, string>>) => Promise<Input> {
  const readPath = createPartReader(route.path, 'path')
  const readQuery = createPartReader(route.query, 'query')
  const readHeaders = createPartReader(route.headers, 'header')
  const bodyOptions = { type: route.bodyType ?? 'application/json', limitBytes: route.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES }
  return async (request, params) => {
    const errors: FieldError[] = []
    const take = <T>(result: { readonly value: T } | { readonly errors: readonly FieldError[] }): T | undefined => {
      if ('value' in result) return result.value
      errors.push(...result.errors)
      return undefined
    }
    const path = route.path === undefined ? {} : take(await readPath(textsOf(Object.entries(params))))
    const search = queryOf(request)
    const query = route.query === undefined && search === '' ? {} : take(await readQuery(textsOf(new URLSearchParams(search))))
    const headers = route.headers === undefined ? {} : take(await readHeaders(textsOf(Object.entries(request.headers))))
    if (route.upload !== undefined) checkType(request, route.upload, route.encodings)
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
  // The caller hung up while a stream was sent.
  if (error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE') return
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

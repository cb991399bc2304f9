/** One entry of a service's table of routes: what it takes, what it answers, and the code that does it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer } from './answer.ts'
import type { Problem } from './problem.ts'
import type { Schema } from './schema.ts'

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete' | 'options'

/** A call whose input was checked. */
export type Incoming<Caller, Path, Query, Headers, Body> = {
  /** What `authorize` of the service said. */
  readonly caller: Caller
  readonly path: Path
  readonly query: Query
  readonly headers: Headers
  readonly body: Body
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly callId: string
  /** Fires when the caller hangs up or `exec_timeout` is over. */
  readonly signal: AbortSignal
}

export type AnswerSpec = {
  readonly description: string
  /** Of the JSON, or of what `type` says. */
  readonly schema?: Schema
  /** Content type, or several; `application/json` where there is a schema. */
  readonly type?: string | readonly string[]
  /** Names with their meaning. */
  readonly headers?: Readonly<Record<string, string>>
}

/** What OpenAPI tells about a route. */
export type RouteSpec = {
  readonly method: Method
  /** `/v1/db/:name`: a name after a colon is one segment, `:name*` at the end one or more. GET answers HEAD too. */
  readonly at: string
  /** Unique in the service, lowerCamel. */
  readonly id: string
  readonly summary: string
  readonly description?: string
  readonly tag?: string
  /** `public`, or a name of the service's `schemes`; handed to `authorize`. */
  readonly access: string
  /** Objects; each name of the path must be in `path`. Missing ones allow nothing, save headers: of those the rest is left alone. */
  readonly path?: Schema
  readonly query?: Schema
  readonly headers?: Schema
  readonly body?: Schema
  /** How `body` is sent: JSON, if nothing is said. */
  readonly bodyType?: 'application/json' | 'application/x-www-form-urlencoded'
  /** 1 MiB, if nothing is said. */
  readonly bodyLimitBytes?: number
  /** Instead of `body`: the content type of bytes that `handle` reads from `request` itself; a list, where it takes several. */
  readonly upload?: string | readonly string[]
  /** Of an upload: the content codings that `handle` undoes, in lower case. All others are 415. */
  readonly encodings?: readonly string[]
  /** By status. Problems need none: every route may answer those. */
  readonly answers: Readonly<Record<number, AnswerSpec>>
}

export type Route<Caller> = RouteSpec & {
  handle(call: Incoming<Caller, unknown, unknown, unknown, unknown>): Promise<Answer> | Answer
  /** For routes whose errors have a form of their own, OAuth's for example: the answer instead of the problem document. */
  refuse?(problem: Problem, request: IncomingMessage): Answer
}

type Typed<Caller, Path, Query, Headers, Body> = Omit<RouteSpec, 'path' | 'query' | 'headers' | 'body'> & {
  readonly path?: Schema<Path>
  readonly query?: Schema<Query>
  readonly headers?: Schema<Headers>
  readonly body?: Schema<Body>
  handle(call: Incoming<Caller, Path, Query, Headers, Body>): Promise<Answer> | Answer
  refuse?(problem: Problem, request: IncomingMessage): Answer
}

type Nothing = Readonly<Record<string, never>>

/**
 * `const route = routeFor<Caller>()`, then each route with the types of its schemas:
 * `route({ method: 'get', at: '/v1/things/:id', path: z.strictObject({ id: z.string() }), …, handle: ({ path }) => json({ id: path.id }) })`
 */
export function routeFor<Caller>() {
  return <Path = Nothing, Query = Nothing, Headers = Nothing, Body = undefined>(
    // The types are dropped here and nowhere else: what `handle` is given has been through the schemas of the same object.
    typed: Typed<Caller, Path, Query, Headers, Body>,
  ): Route<Caller> => typed as unknown as Route<Caller>
}

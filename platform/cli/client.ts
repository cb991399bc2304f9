/** HTTP to a gateway: `/system` with credentials, functions without, and errors a person can act on. */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import type { Credential } from './credentials.ts'

/** As faas-cli: an answer from `/system` that takes longer is a fault. */
const SYSTEM_TIMEOUT_MS = 60_000
/** Error texts beyond this are not for people. */
const MAX_ERROR_LENGTH = 2_000

export type Query = Readonly<Record<string, string | undefined>>

export type Reply = { readonly status: number; readonly text: string }

export type Call = {
  readonly method: string
  /** Below the gateway URL, query included. */
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array | NodeJS.ReadableStream | undefined
  /** Silence longer than this ends the call; absent means never. */
  readonly timeoutMs?: number | undefined
}

export type Client = {
  readonly url: string
  readonly userAgent: string
  /** `user:password` as the gateway takes them, once it has taken any; `undefined` where it asks for none. */
  login(): string | undefined
  /** A call of `/system`; every status comes back but 401, which is `UNAUTHORIZED`. */
  system(method: string, path: string, options?: { query?: Query; json?: unknown }): Promise<Reply>
  /** As `system`, but the body of a 200 is left to the caller, who may wait for it as long as he likes. */
  stream(path: string, query: Query): Promise<IncomingMessage>
  /** A call without credentials; the body is left to the caller. */
  open(call: Call): Promise<IncomingMessage>
}

export type ClientOptions = {
  readonly url: string
  /** Tried in this order until one is accepted. */
  readonly credentials: readonly Credential[]
  readonly userAgent: string
}

export function createClient({ url, credentials, userAgent }: ClientOptions): Client {
  let accepted = 0

  const open = async ({ method, path, headers = {}, body, timeoutMs }: Call): Promise<IncomingMessage> => {
    const target = new URL(url + path)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, {
      method, headers: { 'user-agent': userAgent, ...headers },
    })
    request.on('response', resolve)
    request.on('error', (cause) => reject(unreachable(url, cause)))
    if (timeoutMs !== undefined) {
      request.setTimeout(timeoutMs, () => request.destroy(
        new BrambleError('TIMEOUT', `${url} did not answer within ${timeoutMs / 1000} s`)))
    }
    if (body === undefined || body instanceof Uint8Array) request.end(body)
    // An answer may come before the whole body is sent; then that answer counts, and the rest is not wanted.
    else pipeline(body, request).catch((cause: unknown) => reject(unreachable(url, cause)))
    return promise
  }

  /** Answers the first reply that is no 401, with the credential that worked first. */
  const authorised = async (call: Call): Promise<IncomingMessage> => {
    for (;;) {
      const credential = credentials[accepted]
      const reply = await open({
        ...call, headers: { ...call.headers, ...(credential ? { authorization: credential.header } : {}) },
      })
      if (reply.statusCode !== 401) return reply
      reply.resume()
      if (accepted + 1 >= credentials.length) throw unauthorised(url, credentials)
      accepted++
    }
  }

  return {
    url,
    userAgent,
    login: () => loginIn(credentials[accepted]?.header),
    open,
    async system(method, path, { query = {}, json } = {}) {
      const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
      const reply = await authorised({
        method, path: path + search(query), body, timeoutMs: SYSTEM_TIMEOUT_MS,
        headers: body ? { 'content-type': 'application/json', 'content-length': body.byteLength } : {},
      })
      return { status: reply.statusCode ?? 0, text: await textOf(url, reply) }
    },
    async stream(path, query) {
      const reply = await authorised({ method: 'GET', path: path + search(query) })
      if (reply.statusCode === 200) return reply
      throw failure({ status: reply.statusCode ?? 0, text: await textOf(url, reply) })
    },
  }
}

/** What a reply that is no success says, for a person. */
export function failure({ status, text }: Reply): BrambleError {
  const words = text.trim().slice(0, MAX_ERROR_LENGTH)
  const code = status === 404 ? 'NOT_FOUND' : status === 409 ? 'CONFLICT' : status < 500 ? 'INVALID' : 'UPSTREAM'
  return new BrambleError(code, words ? `${words} (status ${status})` : `the gateway answered with status ${status}`)
}

/** Of a header of basic authentication; other schemes have none. */
function loginIn(header: string | undefined): string | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(header ?? '') ?? []
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString()
}

async function textOf(url: string, reply: IncomingMessage): Promise<string> {
  reply.setEncoding('utf8')
  let text = ''
  try {
    for await (const chunk of reply) text += chunk
  } catch (cause) {
    throw cutOff(url, cause)
  }
  return text
}

/** An answer that ended before its end. */
export function cutOff(who: string, cause: unknown): BrambleError {
  return cause instanceof BrambleError ? cause
    : new BrambleError('UPSTREAM', `the answer of ${who} was cut off: ${reasonOf(cause)}`, { cause })
}

function search(query: Query): string {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]))
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : ''
}

function unauthorised(url: string, credentials: readonly Credential[]): BrambleError {
  return new BrambleError('UNAUTHORIZED', credentials.length > 0
    ? `${url} refused the credentials from ${credentials.map(({ origin }) => origin).join(' and ')}: log in with "bramble login -g ${url}"`
    : `${url} asks for a password: log in with "bramble login -g ${url}", or go to the folder where the platform was started`)
}

function unreachable(url: string, cause: unknown): BrambleError {
  if (cause instanceof BrambleError) return cause
  const [why, code] = hasCode(cause, 'ECONNREFUSED') ? ['connection refused; is the platform running? start it with: npm start', 'UNAVAILABLE'] as const
    : hasCode(cause, 'ENOTFOUND') || hasCode(cause, 'EAI_AGAIN') ? ['this host is not known; is the name right?', 'UNAVAILABLE'] as const
      : hasCode(cause, 'ECONNRESET') || hasCode(cause, 'EPIPE') ? ['the connection was cut', 'UPSTREAM'] as const
        : [reasonOf(cause), 'UNAVAILABLE'] as const
  return new BrambleError(code, `cannot reach ${url}: ${why}`, { cause })
}

/** The Kubernetes API over HTTPS: objects as JSON, and open answers for watches and logs. Nothing is known of kinds here. */
import { Agent, request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { hasCode } from '../../lib/errors.ts'
import type { Connection } from './connection.ts'
import { apiErrorOf } from './errors.ts'
import { FIELD_MANAGER } from './names.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export type Client = {
  get(path: string, query?: Query, signal?: AbortSignal): Promise<unknown>
  create(path: string, body: unknown): Promise<unknown>
  /** Server-side apply: makes the object or sets the fields that are in it; fields of others stay. */
  apply(path: string, body: unknown): Promise<unknown>
  /** JSON merge patch: `null` takes a field away. */
  merge(path: string, body: unknown): Promise<unknown>
  /** The object as it was or, while it is still going, as it is. */
  remove(path: string, options?: { readonly uid?: string; readonly graceSeconds?: number }): Promise<unknown>
  /** Any other body: evictions. */
  post(path: string, body: unknown): Promise<unknown>
  /** The answer as it comes, for watches and logs; ends when `signal` fires. */
  open(path: string, query: Query, signal: AbortSignal): Promise<IncomingMessage>
  close(): void
}

/** An API server on a Raspberry Pi with an SD card is slow at times; beyond this it is taken for gone. */
const REQUEST_TIMEOUT_MS = 30_000
/** How long the head of an open answer may take. */
const OPEN_TIMEOUT_MS = 15_000
/** Enough for a burst of deployments, little enough not to crowd a small server. */
const MAX_SOCKETS = 16
/** Notices a server that is gone without a word, cable pulled for example. */
const KEEP_ALIVE_MS = 10_000
/** Larger than any list page of ours. */
const MAX_BODY_BYTES = 64 * 2 ** 20

export function createClient(connect: () => Promise<Connection>): Client {
  type Line = { readonly connection: Connection; readonly agent: Agent; readonly streams: Agent }
  let line: Promise<Line> | undefined

  const open = async (): Promise<Line> => {
    const connection = await connect()
    const shared = { ...connection.tls, keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, scheduling: 'lifo' as const }
    return { connection, agent: new Agent({ ...shared, maxSockets: MAX_SOCKETS }), streams: new Agent({ ...shared, maxFreeSockets: 2 }) }
  }
  const lineOf = (): Promise<Line> => {
    line ??= open().catch((error: unknown) => {
      line = undefined
      throw error
    })
    return line
  }

  const begin = async (
    method: string, path: string, which: 'agent' | 'streams', more: RequestOptions, body: Buffer | undefined,
  ): Promise<IncomingMessage> => {
    const { connection, [which]: agent } = await lineOf()
    const { url, tls } = connection
    const headers = {
      accept: 'application/json', 'user-agent': 'bramble', ...await connection.headers(), ...more.headers,
      ...(body ? { 'content-length': body.length } : {}),
    }
    const attempt = (): Promise<IncomingMessage> => new Promise((resolve, reject) => {
      const call = request({
        host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || 443, path: url.pathname.replace(/\/$/, '') + path,
        ...tls, agent, method, ...more, headers,
      })
      call.on('response', resolve).on('error', (error) => {
        // The server closed an idle connection just as it was used. What may be done twice is.
        if (call.reusedSocket && method !== 'POST' && hasCode(error, 'ECONNRESET')) attempt().then(resolve, reject)
        else reject(error)
      })
      call.on('timeout', () => call.destroy(new Error(`no answer within ${more.timeout} ms`)))
      call.end(body)
    })
    return attempt()
  }

  type Content = { readonly type: string; readonly body: unknown }

  const ask = async (method: string, path: string, query: Query, content?: Content, signal?: AbortSignal): Promise<unknown> => {
    const bytes = content && Buffer.from(JSON.stringify(content.body))
    const response = await begin(method, path + textOf(query), 'agent', {
      timeout: REQUEST_TIMEOUT_MS, ...(signal ? { signal } : {}), headers: content ? { 'content-type': content.type } : {},
    }, bytes)
    const text = await readAll(response)
    const status = response.statusCode ?? 0
    if (status < 200 || status > 299) throw apiErrorOf(status, text)
    const answer: unknown = JSON.parse(text)
    return answer
  }

  return {
    get: (path, query = {}, signal) => ask('GET', path, query, undefined, signal),
    create: (path, body) => ask('POST', path, { fieldManager: FIELD_MANAGER }, { type: 'application/json', body }),
    post: (path, body) => ask('POST', path, {}, { type: 'application/json', body }),
    apply: (path, body) => ask('PATCH', path, { fieldManager: FIELD_MANAGER, force: true }, { type: 'application/apply-patch+yaml', body }),
    merge: (path, body) => ask('PATCH', path, { fieldManager: FIELD_MANAGER }, { type: 'application/merge-patch+json', body }),
    remove: (path, { uid, graceSeconds } = {}) => ask('DELETE', path, {}, {
      type: 'application/json',
      body: {
        apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background',
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
      },
    }),
    async open(path, query, signal) {
      signal.throwIfAborted()
      const response = await begin('GET', path + textOf(query), 'streams', { timeout: OPEN_TIMEOUT_MS, signal }, undefined)
      const status = response.statusCode ?? 0
      if (status !== 200) throw apiErrorOf(status, await readAll(response))
      response.socket.setTimeout(0)
      return response
    },
    close() {
      line?.then(({ agent, streams }) => {
        agent.destroy()
        streams.destroy()
      }, () => undefined)
      line = undefined
    },
  }
}

function textOf(query: Query): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value))
  const text = params.toString()
  return text && `?${text}`
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new Error(`the answer is larger than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * A client of one registry over the OCI distribution API 1.1: logs in when asked to, tries again what may pass, follows
 * where it is sent without taking its credentials there.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../lib/backoff.ts'
import { createAuthorization, type Access } from './authorization.ts'
import type { Credentials } from './credentials.ts'
import { readBody } from './read-body.ts'
import { DEFAULT_REGISTRY } from './reference.ts'
import { connectionError, isAbsence, isFull, isPassing, refusalError, type Asked } from './registry-error.ts'
import { createTransport } from './transport.ts'

export type RegistryCall = {
  readonly method: string
  /** Absent for the registry itself. */
  readonly repository?: string
  /** What it does there, in the words of a token's scope: `pull`, `pull,push`, `delete`. */
  readonly actions: string
  /** A second repository that is read. */
  readonly alsoPulls?: string
  /** Below `/v2/REPOSITORY/`, or where the registry sent us. */
  readonly target: string | URL
  /** For errors: `push the layer sha256:… to team/hello`. */
  readonly purpose: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array
  /** Statuses that come back besides 200 to 299; any other is an error. */
  readonly accepts?: readonly number[]
  /** False for what must not arrive twice: it is sent once. */
  readonly isRepeatable?: boolean
  readonly signal?: AbortSignal | undefined
}

export type RegistryReply = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }

export type Registry = {
  /** As in references. */
  readonly name: string
  call(call: RegistryCall): Promise<RegistryReply>
  /** As `call`; the body is left to the caller. */
  open(call: RegistryCall): Promise<IncomingMessage>
  /** A `Location` header as an address for `target`. */
  locate(location: string | undefined): Promise<URL | undefined>
  /** Ends the connections that are kept. */
  close(): void
}

export type RegistryOptions = {
  readonly name: string
  readonly credentials: Credentials
  /** Certificates trusted besides those of the system, PEM. */
  readonly ca?: string | undefined
  /** Plain HTTP, or a certificate nobody knows, is good enough. */
  readonly isInsecure?: boolean | undefined
  readonly userAgent: string
  /** Something passing failed, and is tried again after this time. */
  readonly onRetry?: ((reason: string, pauseMs: number) => void) | undefined
}

/** Docker Hub's name is not its address. */
const DOCKER_HUB_HOST = 'registry-1.docker.io'
/** With the pauses between them, a quarter of a minute: a Wi-Fi that reconnects, a registry that restarts. */
const MAX_TRIES = 7
export const retryPauses = { firstMs: 500, maxMs: 8_000 }
/** Longer than a person waits without a word. */
const MAX_RETRY_AFTER_MS = 60_000
const MAX_REDIRECTS = 5
const passingStatuses = [408, 429, 500, 502, 503, 504]

export function createRegistry(options: RegistryOptions): Registry {
  const { name, credentials, ca, isInsecure = false, userAgent, onRetry } = options
  const transport = createTransport({ host: name === DEFAULT_REGISTRY ? DOCKER_HUB_HOST : name, ca, isInsecure, userAgent })
  const authorization = createAuthorization({ transport, registry: name, credentials })
  /** Before the first answer a refused connection means that nobody is there; afterwards, that it restarts. */
  let isKnown = false

  /** One request with its login and its redirects. */
  const attempt = async (call: RegistryCall, asked: Asked): Promise<IncomingMessage> => {
    const base = await transport.base(call.signal)
    const access = accessOf(call)
    let url = addressOf(call, base)
    let isOurs = url.origin === base.origin
    let isChallenged = false
    for (let redirects = 0; ;) {
      const ticket = isOurs ? await authorization.ticket(access, asked, call.signal) : undefined
      const reply = await transport.send({
        method: call.method, url, body: call.body, signal: call.signal,
        headers: { ...call.headers, ...(ticket ? { authorization: ticket.header } : {}) },
      })
      isKnown = true
      const status = reply.statusCode ?? 0
      if (status === 401 && isOurs) {
        const body = (await readBody(reply)).toString('utf8')
        const refused = { ...asked, credentialOrigin: ticket?.origin }
        if (isChallenged) throw refusalError({ status, body }, refused)
        isChallenged = true
        await authorization.learn(reply.headers['www-authenticate'] ?? '', access, ticket)
        if (await authorization.ticket(access, asked, call.signal) === undefined) throw refusalError({ status, body }, refused)
        continue
      }
      const next = isRedirect(status, call.method) ? locateFrom(reply.headers.location, url) : undefined
      if (next === undefined || ++redirects > MAX_REDIRECTS || (next.protocol === 'http:' && base.protocol === 'https:')) return reply
      reply.resume()
      url = next
      isOurs = url.origin === base.origin
    }
  }

  const open = async (call: RegistryCall): Promise<IncomingMessage> => {
    const { signal, purpose, accepts = [], isRepeatable = true } = call
    const asked: Asked = { registry: name, purpose }
    for (let failures = 1; ; failures++) {
      let pauseMs = backoffMs(failures, retryPauses)
      let reason: string
      const isLast = !isRepeatable || failures === MAX_TRIES
      try {
        const reply = await attempt(call, asked)
        const status = reply.statusCode ?? 0
        if ((status >= 200 && status < 300) || accepts.includes(status)) return reply
        const body = (await readBody(reply)).toString('utf8')
        const retryAfterMs = readRetryAfter(reply.headers['retry-after'])
        const ticket = await authorization.ticket(accessOf(call), asked, signal)
        const refused = refusalError({ status, body }, { ...asked, credentialOrigin: ticket?.origin })
        const isHopeless = isLast || !passingStatuses.includes(status) || isFull(status, body) || (retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS
        if (isHopeless) throw refused
        reason = refused.message
        pauseMs = retryAfterMs ?? pauseMs
      } catch (error) {
        signal?.throwIfAborted()
        const failed = connectionError(error, asked)
        if (isLast || !isPassing(error) || (!isKnown && isAbsence(error))) throw failed
        reason = failed.message
      }
      onRetry?.(reason, pauseMs)
      await delay(pauseMs, undefined, signal ? { signal } : {})
    }
  }

  return {
    name, open,
    async call(call) {
      for (let tries = 1; ; tries++) {
        const reply = await open(call)
        try {
          return { status: reply.statusCode ?? 0, headers: reply.headers, body: await readBody(reply) }
        } catch (error) {
          call.signal?.throwIfAborted()
          if (call.isRepeatable === false || tries === MAX_TRIES || !isPassing(error)) throw connectionError(error, { registry: name, purpose: call.purpose })
        }
      }
    },
    async locate(location) {
      const base = await transport.base()
      const url = locateFrom(location, base)
      // A registry behind a proxy may not know that it is spoken to over TLS; its own name is enough.
      if (url && url.protocol === 'http:' && base.protocol === 'https:' && url.hostname === base.hostname) return new URL(url.pathname + url.search, base)
      return url
    },
    close: transport.close,
  }
}

function accessOf({ repository, actions, alsoPulls }: RegistryCall): Access {
  return {
    repository,
    scopes: [
      repository === undefined ? `registry:catalog:${actions}` : `repository:${repository}:${actions}`,
      ...(alsoPulls === undefined ? [] : [`repository:${alsoPulls}:pull`]),
    ],
  }
}

function addressOf({ target, repository }: RegistryCall, base: URL): URL {
  if (target instanceof URL) return target
  return new URL(repository === undefined ? `/v2/${target}` : `/v2/${repository}/${target}`, base)
}

function locateFrom(location: string | undefined, from: URL): URL | undefined {
  if (!location || !URL.canParse(location, from)) return undefined
  const url = new URL(location, from)
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined
}

/** Only what is read is followed; the answers to uploads use the same header for something else. */
function isRedirect(status: number, method: string): boolean {
  return (method === 'GET' || method === 'HEAD') && [301, 302, 303, 307, 308].includes(status)
}

/** Seconds, or a date. */
function readRetryAfter(value: string | undefined): number | undefined {
  if (!value) return undefined
  if (/^[0-9]{1,9}$/.test(value.trim())) return Number(value) * 1_000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - Date.now())
}

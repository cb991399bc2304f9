/** HTTP to one registry and to where it sends us: TLS with further authorities, plain HTTP where that is allowed, time limits. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { createSecureContext, getCACertificates } from 'node:tls'
import { BrambleError } from '../lib/errors.ts'
import { isNoTls } from './registry-error.ts'

export type Sending = {
  readonly method: string
  readonly url: URL
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array | undefined
  readonly signal?: AbortSignal | undefined
}

export type Transport = {
  /** `https://host/`, or `http://host/` where TLS is neither spoken nor asked for. */
  base(signal?: AbortSignal): Promise<URL>
  /** The answer; its body is left to the caller. Fails with what the connection said. */
  send(sending: Sending): Promise<IncomingMessage>
  /** Ends the connections that are kept. */
  close(): void
}

export type TransportOptions = {
  /** Where the registry listens: `registry.local:5000`. */
  readonly host: string
  /** Certificates trusted besides those of the system, PEM. */
  readonly ca?: string | undefined
  /** Neither the certificate nor TLS itself is asked for; for loopback only the latter. */
  readonly isInsecure: boolean
  readonly userAgent: string
}

/** A registry on a small board may hash a layer before it answers. */
const SILENCE_LIMIT_MS = 60_000
/** Beyond this nobody is there. */
const CONNECT_LIMIT_MS = 10_000
/** Connections to one registry; the pushes of one stack share them. */
const MAX_SOCKETS = 8

export function createTransport({ host, ca, isInsecure, userAgent }: TransportOptions): Transport {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  let secure: HttpsAgent | undefined
  const secureAgent = (): HttpsAgent => secure ??= new HttpsAgent({
    keepAlive: true, maxSockets: MAX_SOCKETS,
    // Node's own list, what NODE_EXTRA_CA_CERTS adds, and what this machine trusts, as Docker does. One context for all
    // connections: reading the list takes 14 ms each time.
    secureContext: createSecureContext({
      ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...(ca === undefined ? [] : [ca])])],
    }),
    rejectUnauthorized: !isInsecure,
  })
  let found: Promise<URL> | undefined

  const send = ({ method, url, headers = {}, body, signal }: Sending): Promise<IncomingMessage> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const isSecure = url.protocol === 'https:'
    const request = (isSecure ? httpsRequest : httpRequest)(url, {
      method, agent: isSecure ? secureAgent() : plain, ...(signal ? { signal } : {}),
      headers: { 'user-agent': userAgent, ...headers, ...(method === 'GET' || method === 'HEAD' ? {} : { 'content-length': body?.byteLength ?? 0 }) },
    })
    const late = (what: string, limitMs: number) => () =>
      request.destroy(new BrambleError('TIMEOUT', `registry ${url.host} ${what} within ${limitMs / 1000} s: is it running, and is its name right?`))
    request.on('socket', (socket) => {
      if (!socket.connecting) return
      const timer = setTimeout(late('could not be reached', CONNECT_LIMIT_MS), CONNECT_LIMIT_MS)
      for (const event of [isSecure ? 'secureConnect' : 'connect', 'close']) socket.once(event, () => clearTimeout(timer))
    })
    request.setTimeout(SILENCE_LIMIT_MS, late('said nothing', SILENCE_LIMIT_MS))
    request.on('response', resolve)
    request.on('error', reject)
    request.end(body)
    return promise
  }

  const find = async (signal: AbortSignal | undefined): Promise<URL> => {
    const https = new URL(`https://${host}/`)
    if (!isInsecure && !isLoopback(https.hostname)) return https
    try {
      (await send({ method: 'GET', url: new URL('v2/', https), signal })).resume()
      return https
    } catch (error) {
      if (isNoTls(error)) return new URL(`http://${host}/`)
      throw error
    }
  }

  return {
    send,
    base(signal) {
      found ??= find(signal).catch((error: unknown) => {
        found = undefined
        throw error
      })
      return found
    },
    close() {
      plain.destroy()
      secure?.destroy()
    },
  }
}

/** What never leaves this machine needs no TLS. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname)
}

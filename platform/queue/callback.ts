/**
 * Sends an answer to the URL a caller gave, which is anybody's: into private networks only where that is allowed. The
 * name is resolved once, its addresses are checked, and the connection goes to one of those and nowhere else.
 */
import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { BrambleError } from '../lib/errors.ts'
import type { CallResult } from './call-result.ts'
import { isPublicAddress } from './public-address.ts'
import type { CallbackHead } from './queue.ts'

export type CallbackSender = {
  /** `INVALID` for what is no http(s) URL, `FORBIDDEN` for an address or name that is private on its face. */
  check(url: string): void
  /** `FORBIDDEN` for a private address; other errors mean that nobody answered. Redirects are not followed. */
  send(head: CallbackHead, body: Uint8Array, signal: AbortSignal): Promise<CallResult>
}

export type CallbackSenderDeps = {
  /** `host` or `host:port` that may be private; `*` allows all. */
  readonly allowedHosts: readonly string[]
  /**
   * The gateway, under its own address or one of these names, which the system need not know: answers may go to its
   * functions, for anybody can call those.
   */
  readonly gateway?: { readonly hosts: readonly string[]; readonly url: () => string }
  readonly timeoutMs: number
  readonly lookup?: (host: string) => Promise<readonly LookupAddress[]>
  readonly isPublic?: (address: string) => boolean
}

const MAX_URL_LENGTH = 2_048
/** Names that never leave this machine or this network. */
const privateName = /(?:^|\.)(?:localhost|local|internal|svc)$/

export function createCallbackSender(deps: CallbackSenderDeps): CallbackSender {
  const { gateway, timeoutMs, lookup = (host) => systemLookup(host, { all: true }), isPublic = isPublicAddress } = deps
  const allowed = new Set(deps.allowedHosts.map((host) => host.toLowerCase()))
  const isGateway = ({ protocol, host }: URL): boolean => {
    if (gateway === undefined || protocol !== 'http:') return false
    const own = new URL(gateway.url())
    const named = new URL(own)
    named.hostname = 'localhost'
    return gateway.hosts.includes(host) || host === own.host || host === named.host
  }
  const isAllowed = (url: URL): boolean => allowed.has('*') || allowed.has(url.hostname) || allowed.has(url.host) || isGateway(url)

  /** The addresses the connection may go to; `undefined` where every one is allowed. */
  const addressesOf = async (url: URL): Promise<readonly LookupAddress[] | undefined> => {
    if (isAllowed(url)) return undefined
    const host = bare(url.hostname)
    const family = isIP(host)
    const addresses = family === 0 ? await lookup(host) : [{ address: host, family }]
    const secret = addresses.find(({ address }) => !isPublic(address))
    if (secret !== undefined || addresses.length === 0) throw refusal(url)
    return addresses
  }

  return {
    check(text) {
      const url = parseUrl(text)
      if (isAllowed(url)) return
      const host = bare(url.hostname)
      if (isIP(host) === 0 ? privateName.test(host) || !host.includes('.') : !isPublic(host)) throw refusal(url)
    },
    async send(head, body, signal) {
      const url = parseUrl(head.url)
      const addresses = await addressesOf(url)
      const request = url.protocol === 'https:' ? tlsRequest : plainRequest
      return new Promise((resolve, reject) => {
        const sent = request(gateway !== undefined && isGateway(url) ? onHost(gateway.url(), url) : url, {
          method: 'POST',
          headers: [...head.headers, 'Host', url.host, 'Content-Length', String(body.length), 'Connection', 'close'],
          // A connection of its own: one from a pool was opened to an address that nobody checked.
          agent: false,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
          ...(addresses === undefined ? {} : { lookup: pinned(addresses) }),
        }, (response) => {
          resolve({ status: response.statusCode ?? 0, headers: response.rawHeaders, body: undefined })
          // What the receiver says is of no use; it must not hold the connection either.
          response.on('error', () => undefined)
          response.destroy()
        })
        sent.on('error', reject)
        sent.end(body)
      })
    },
  }
}

function parseUrl(text: string): URL {
  const url = text.length <= MAX_URL_LENGTH && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw new BrambleError('INVALID', `X-Callback-Url "${text.slice(0, 80)}" is not an http or https URL without a password, of at most ${MAX_URL_LENGTH} characters`)
  }
  return url
}

/** The same path and query there. Not resolved against it: a path that begins with two slashes would be another host. */
function onHost(base: string, { pathname, search }: URL): URL {
  const target = new URL(base)
  target.pathname = pathname
  target.search = search
  return target
}

/** IPv6 without its brackets. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function refusal(url: URL): BrambleError {
  return new BrambleError('FORBIDDEN', `callbacks to ${url.host} are refused: it is not on the public Internet; allow it in async_callback_hosts`)
}

function pinned(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, done) => {
    const [first] = addresses
    if (options.all) done(null, [...addresses])
    else done(null, first?.address ?? '', first?.family)
  }
}

/** One call of a target, and as much of its answer as is kept. Redirects are not followed. */
import type { LookupAddress } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { AllowList, Target } from '../target/allow-list.ts'
import { isPublicAddress } from '../target/public-address.ts'

const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')
const { lookup: systemLookup } = process.getBuiltinModule('node:dns/promises')
const { isIP } = process.getBuiltinModule('node:net')

export type TargetCall = {
  readonly target: Target
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal: AbortSignal
}

export type TargetAnswer = { readonly status: number; readonly text: string; readonly retryAfter: string | undefined }

/** The call was not even tried: what it would reach is not allowed. */
export class TargetRefused extends Error {}

/** Of an answer; the rest is read to its end and let go. */
export const MAX_RESULT_BYTES = 8 * 1024
/** Who sends more has no end: the call is over all the same. */
const MAX_READ_BYTES = 8 * 1024 * 1024

export type CallTargetDeps = {
  readonly gatewayUrl: string
  readonly allowList: AllowList
  readonly serviceToken: string
  /** All addresses of a name. */
  readonly lookup?: Lookup
  readonly isPublic?: (address: string) => boolean
}

type Lookup = (host: string) => Promise<readonly LookupAddress[]>

export function createCallTarget(deps: CallTargetDeps): (call: TargetCall) => Promise<TargetAnswer> {
  const { gatewayUrl, allowList, serviceToken, lookup = (host) => systemLookup(host, { all: true }), isPublic = isPublicAddress } = deps
  const agent = new (gatewayUrl.startsWith('https:') ? https : http).Agent({ keepAlive: true })

  return async ({ target, method, headers, body, signal }) => {
    const refusal = allowList.refusal(target)
    if (refusal !== undefined) throw new TargetRefused(refusal)
    const isFunction = 'function' in target
    const url = new URL(isFunction ? `${gatewayUrl}/function/${target.function}${target.path}` : target.url)
    const addresses = isFunction || allowList.mayBePrivate(url) ? undefined : await addressesOf(url, lookup, isPublic)
    signal.throwIfAborted()
    const { request } = url.protocol === 'https:' ? https : http
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method, signal,
        headers: {
          ...(isFunction && allowList.isTrusted(target.function) && { authorization: `Bearer ${serviceToken}` }),
          ...headers, 'content-length': Buffer.byteLength(body),
        },
        // Of a URL, a connection of its own: one from a pool was opened to an address that nobody checked.
        agent: isFunction ? agent : false,
        ...(addresses !== undefined && { lookup: pinned(addresses) }),
      }, (response) => {
        readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text, retryAfter: response.headers['retry-after'] }), reject)
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }
}

async function addressesOf(url: URL, lookup: Lookup, isPublic: (address: string) => boolean): Promise<readonly LookupAddress[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  const addresses = family === 0 ? await lookup(host) : [{ address: host, family }]
  if (addresses.length === 0 || addresses.some(({ address }) => !isPublic(address))) {
    throw new TargetRefused(`the host ${url.host} is not on the public Internet; allow it in private_hosts`)
  }
  return addresses
}

/** The connection goes to one of these and nowhere else, whatever the name means by then. */
function pinned(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, done) => {
    const [first] = addresses
    if (options.all) done(null, [...addresses])
    else done(null, first?.address ?? '', first?.family)
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let keptBytes = 0
  let readBytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    readBytes += chunk.length
    if (keptBytes < MAX_RESULT_BYTES) chunks.push(chunk.subarray(0, MAX_RESULT_BYTES - keptBytes))
    keptBytes = Math.min(MAX_RESULT_BYTES, keptBytes + chunk.length)
    if (readBytes > MAX_READ_BYTES) break
  }
  return Buffer.concat(chunks).toString()
}

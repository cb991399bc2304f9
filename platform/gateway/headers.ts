/** Which headers cross the gateway. Works on flat lists `[name, value, …]`; nothing is parsed that is not needed. */

export type RequestHead = {
  /** Headers for the function, hop-by-hop ones and those the gateway sets removed. */
  readonly headers: string[]
  /** The caller's own `X-Call-Id`, if it is one. */
  readonly callId: string | undefined
  readonly contentType: string | undefined
  /** Declared body length in bytes; `undefined` without a `Content-Length`. */
  readonly contentLength: number | undefined
  /** Whether the body comes in chunks of unknown number. */
  readonly isChunked: boolean
}

/** A caller's own call id beyond this length is replaced. */
const MAX_CALL_ID_LENGTH = 128

/**
 * Takes the request's raw header list apart. Hop-by-hop headers (RFC 9110 section 7.6.1) and those the `Connection`
 * header names stay here; `X-Forwarded-Host` and `X-Forwarded-For` are added when absent.
 */
export function readRequestHead(raw: readonly string[], peer: string): RequestHead {
  const headers: string[] = []
  let callId: string | undefined
  let contentType: string | undefined
  let contentLength: number | undefined
  let isChunked = false
  let host = ''
  let hasForwardedHost = false
  let hasForwardedFor = false
  let named: string | undefined

  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    switch (name.length) {
      case 2: if (is(name, 'te')) continue; break
      case 4: if (is(name, 'host')) { host = value; continue } break
      case 6: if (is(name, 'expect')) continue; break
      case 7: if (is(name, 'trailer') || is(name, 'upgrade')) continue; break
      case 9: if (is(name, 'x-call-id')) { callId = value !== '' && value.length <= MAX_CALL_ID_LENGTH ? value : undefined; continue } break
      case 10:
        if (is(name, 'connection')) {
          if (value.length !== 10 || !is(value, 'keep-alive')) named = named === undefined ? value : `${named},${value}`
          continue
        }
        if (is(name, 'keep-alive')) continue
        break
      case 12:
        if (is(name, 'x-start-time')) continue
        if (is(name, 'content-type')) contentType = value
        break
      case 14:
        if (is(name, 'content-length')) { contentLength = Number(value); continue }
        if (is(name, 'http2-settings')) continue
        break
      case 15: if (is(name, 'x-forwarded-for')) hasForwardedFor = true; break
      case 16:
        if (is(name, 'x-forwarded-host')) hasForwardedHost = true
        else if (is(name, 'proxy-connection')) continue
        break
      case 17: if (is(name, 'transfer-encoding')) { isChunked = true; continue } break
      case 19: if (is(name, 'proxy-authorization')) continue; break
      default:
    }
    headers.push(name, value)
  }
  if (!hasForwardedHost && host !== '') headers.push('X-Forwarded-Host', host)
  if (!hasForwardedFor) headers.push('X-Forwarded-For', peer)
  if (named !== undefined) removeNamed(headers, named)
  return { headers, callId, contentType, contentLength, isChunked }
}

/**
 * The function's response headers as a flat list for the caller. Those the gateway answers for itself are left out;
 * a missing `Content-Type` becomes the request's, else `text/plain`, as OpenFaaS does.
 */
export function responseHeaders(
  status: number, received: Readonly<Record<string, string | readonly string[] | undefined>>, added: readonly string[],
  requestContentType: string | undefined,
): string[] {
  const headers: string[] = []
  let hasContentType = false
  let named: string | undefined
  for (const name in received) {
    const value = received[name]
    if (value === undefined) continue
    switch (name) {
      case 'connection':
        if (value !== 'keep-alive' && value !== 'close') named = String(value)
        continue
      case 'keep-alive': case 'proxy-authenticate': case 'proxy-connection': case 'te': case 'trailer':
      case 'transfer-encoding': case 'upgrade': case 'x-call-id': case 'x-start-time': case 'x-served-by':
        continue
      case 'content-type': hasContentType = true; break
      // Source: RFC 9110 section 8.6.
      case 'content-length': if (status === NO_CONTENT) continue; break
      default:
    }
    if (typeof value === 'string') headers.push(name, value)
    else for (const one of value) headers.push(name, one)
  }
  if (named !== undefined) removeNamed(headers, named)
  if (!hasContentType) headers.push('content-type', requestContentType ?? 'text/plain; charset=utf-8')
  for (const part of added) headers.push(part)
  return headers
}

const NO_CONTENT = 204

/** Headers that say how long the body is or whom it is for: `Connection` cannot name them away. */
const keptAlways = new Set(['content-length', 'content-type', 'authorization', 'x-forwarded-for', 'x-forwarded-host'])

function removeNamed(headers: string[], connection: string): void {
  const names = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    const name = (headers[index] ?? '').toLowerCase()
    if (names.has(name) && !keptAlways.has(name)) headers.splice(index, 2)
  }
}

/** Equal but for case; `lower` is in lower case and the lengths are known to be near. */
function is(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower)
}

/** What Node's parser lets pass though the specification does not. Pure; looks at every request once. */
import { BrambleError } from '../lib/errors.ts'

/** The characters of a host and port. Source: RFC 3986 section 3.2.2. */
const validHost = /^[-\w.~!$&'()*+,;=%:[\]]*$/

/**
 * The reason to refuse a request head and to end its connection, because another reader on the way could have seen
 * other requests in it. Source: RFC 9112 sections 2.3, 3.2 and 6.1.
 */
export function findFault(httpVersion: string, raw: readonly string[]): BrambleError | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return new BrambleError('INVALID', 'only HTTP/1.0 and HTTP/1.1 are spoken here')
  }
  let hosts = 0
  let encodings = 0
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (name.length === HOST_LENGTH && name.toLowerCase() === 'host') {
      if (hosts++ > 0) return new BrambleError('INVALID', 'more than one Host header')
      if (!validHost.test(raw[index + 1] ?? '')) return new BrambleError('INVALID', 'the Host header names no host')
    } else if (name.length === ENCODING_LENGTH && name.toLowerCase() === 'transfer-encoding') {
      if (httpVersion === '1.0') return new BrambleError('INVALID', 'HTTP/1.0 has no transfer encodings')
      if (encodings++ > 0 || raw[index + 1]?.trim().toLowerCase() !== 'chunked') {
        return new BrambleError('UNSUPPORTED', 'the only transfer encoding taken is chunked')
      }
    }
  }
  return undefined
}

const HOST_LENGTH = 'host'.length
const ENCODING_LENGTH = 'transfer-encoding'.length

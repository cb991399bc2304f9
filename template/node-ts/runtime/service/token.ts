/** Bearer tokens: taken out of a request, and compared without telling by time how much of one was right. */
import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { secret } from '../secret.ts'

/** The token of `Authorization: Bearer TOKEN` (RFC 6750), `undefined` when there is none. */
export function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer +([-._~+/A-Za-z0-9]+=*)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** In a time that depends on neither text: hashes of the same length are compared. */
export function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}

/** Shorter ones can be guessed. */
const MIN_TOKEN_LENGTH = 16

/**
 * What services show each other: the secret `service-token`. Throws a sentence for the operator when it is missing or too short;
 * meant to be read once, when the service starts.
 */
export function serviceToken(): string {
  const token = secret('service-token').trim()
  if (!/^[-._~+/A-Za-z0-9]+=*$/.test(token) || token.length < MIN_TOKEN_LENGTH) {
    throw new Error(`secret service-token must be at least ${MIN_TOKEN_LENGTH} letters, digits and -._~+/; make one with "openssl rand -hex 32"`)
  }
  return token
}

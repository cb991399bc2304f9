/** Bearer tokens: taken out of a request, and compared without telling by time how much of one was right; and the one of services. */
import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { secret } from '../secret.ts'
import { unauthorized } from './problem.ts'
import type { RouteSpec } from './route.ts'

/** The token of `Authorization: Bearer TOKEN` (RFC 6750), `undefined` when there is none. */
export function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer +([-._~+/A-Za-z0-9]+=*)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** In a time that depends on neither text: hashes of the same length are compared. */
export function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
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

/** `authorize` of a service that other services call, and nobody else. */
export function serviceOnly(token: string): (request: IncomingMessage, route: RouteSpec) => undefined {
  const wanted = digest(token)
  return (request, { access }) => {
    if (access === 'public') return
    const shown = bearerToken(request)
    if (shown === undefined) throw unauthorized('show the service token: "Authorization: Bearer TOKEN"')
    if (!timingSafeEqual(digest(shown), wanted)) throw unauthorized('this is not the service token')
  }
}

/** Logging in to a registry: Basic, or Bearer with tokens from where the registry says (the distribution project's token specification). */
import type { IncomingMessage } from 'node:http'
import { BrambleError } from '../lib/errors.ts'
import { parseChallenges, type Challenge } from './challenge.ts'
import type { Credential, Credentials } from './credentials.ts'
import { readText } from './read-body.ts'
import { connectionError, refusalError, type Asked } from './registry-error.ts'
import type { Transport } from './transport.ts'

/** What a call is about. */
export type Access = {
  /** Absent for the registry itself. */
  readonly repository?: string | undefined
  /** `repository:team/hello:pull,push` */
  readonly scopes: readonly string[]
}

export type Ticket = {
  /** The `Authorization` header. */
  readonly header: string
  /** Of the credentials behind it; absent for a token that anybody gets. */
  readonly origin: string | undefined
}

export type Authorization = {
  /** What is known to be needed; `undefined` before the first challenge. */
  ticket(access: Access, asked: Asked, signal?: AbortSignal): Promise<Ticket | undefined>
  /** Learns from a 401; what `ticket` answers next is new, or as good as it gets. `refused` is what was sent. */
  learn(challenge: string, access: Access, refused: Ticket | undefined): Promise<void>
}

type Scheme = { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly realm: string; readonly service: string | undefined }
type Token = { readonly ticket: Ticket; readonly expiresAtMs: number }

/** The specification's, for a token that does not say. */
const DEFAULT_LIFE_MS = 60_000
/** A token is renewed before a request could arrive too late. */
const MARGIN_MS = 10_000
const CLIENT_ID = 'bramble'

export function createAuthorization(deps: {
  transport: Transport; registry: string; credentials: Credentials; now?: () => number
}): Authorization {
  const { transport, registry, credentials, now = Date.now } = deps
  const tokens = new Map<string, Promise<Token>>()
  let scheme: Scheme | undefined

  const fetchToken = async (
    { realm, service }: Extract<Scheme, { kind: 'bearer' }>, { repository, scopes }: Access, asked: Asked, signal: AbortSignal | undefined,
  ): Promise<Token> => {
    const credential = await credentials.find(registry, repository ?? '')
    const url = tokenUrl(realm, await transport.base(signal), registry)
    const origin = credential?.origin
    const told = { ...asked, credentialOrigin: origin, purpose: `get a token from ${url.host} to ${asked.purpose}` }
    const form = new URLSearchParams([
      ...(service === undefined ? [] : [['service', service] as [string, string]]),
      ...scopes.map((scope): [string, string] => ['scope', scope]),
    ])
    let reply: IncomingMessage
    try {
      if (credential?.kind === 'identity token') {
        form.set('scope', scopes.join(' '))
        for (const [name, value] of Object.entries({ grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: credential.token })) form.set(name, value)
        reply = await transport.send({
          method: 'POST', url, signal, body: Buffer.from(form.toString()), headers: { 'content-type': 'application/x-www-form-urlencoded' },
        })
      } else {
        for (const [name, value] of form) url.searchParams.append(name, value)
        reply = await transport.send({ method: 'GET', url, signal, headers: credential ? { authorization: basicHeader(credential) } : {} })
      }
      const text = await readText(reply)
      if (reply.statusCode !== 200) throw refusalError({ status: reply.statusCode ?? 0, body: text }, told)
      return readToken(text, origin, now())
    } catch (error) {
      throw connectionError(error, told)
    }
  }

  return {
    async ticket(access, asked, signal) {
      if (!scheme) return undefined
      if (scheme.kind === 'basic') {
        const credential = await credentials.find(registry, access.repository ?? '')
        return credential?.kind === 'password' ? { header: basicHeader(credential), origin: credential.origin } : undefined
      }
      const key = keyOf(access)
      // Those who ask at the same time share one token.
      for (let pending = tokens.get(key); pending !== undefined; pending = tokens.get(key)) {
        const known = await pending.catch(() => undefined)
        if (known && known.expiresAtMs - MARGIN_MS > now()) return known.ticket
        if (tokens.get(key) === pending) tokens.delete(key)
      }
      const fetched = fetchToken(scheme, access, asked, signal)
      tokens.set(key, fetched)
      try {
        return (await fetched).ticket
      } catch (error) {
        if (tokens.get(key) === fetched) tokens.delete(key)
        throw error
      }
    },
    async learn(header, access, refused) {
      scheme = chooseScheme(parseChallenges(header), registry)
      const key = keyOf(access)
      const pending = tokens.get(key)
      const known = await pending?.catch(() => undefined)
      if (known && known.ticket.header === refused?.header && tokens.get(key) === pending) tokens.delete(key)
    },
  }
}

/** Bearer where both are offered: its tokens are good for less. */
function chooseScheme(challenges: readonly Challenge[], registry: string): Scheme {
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm')
    if (scheme === 'bearer' && realm !== undefined) return { kind: 'bearer', realm, service: parameters.get('service') }
  }
  if (challenges.some(({ scheme }) => scheme === 'basic')) return { kind: 'basic' }
  const offered = challenges.map(({ scheme }) => scheme).join(', ') || 'none'
  throw new BrambleError('UNSUPPORTED', `registry ${registry} asks for a way to log in that is not known here (${offered}): Basic and Bearer are`)
}

/** Passwords go over TLS, unless the registry itself does without. */
function tokenUrl(realm: string, base: URL, registry: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && base.protocol === 'http:'))) return url
  throw new BrambleError('UPSTREAM', `registry ${registry} sends passwords to "${realm}", which is no https address: nothing was sent`)
}

function basicHeader({ user, password }: Extract<Credential, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function readToken(text: string, origin: string | undefined, nowMs: number): Token {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  const fields = new Map<string, unknown>(typeof json === 'object' && json !== null ? Object.entries(json) : [])
  const token = fields.get('token') ?? fields.get('access_token')
  const seconds = fields.get('expires_in')
  if (typeof token !== 'string' || token === '') throw new BrambleError('UPSTREAM', 'the answer of the token server has no token')
  const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : DEFAULT_LIFE_MS
  return { ticket: { header: `Bearer ${token}`, origin }, expiresAtMs: nowMs + lifeMs }
}

function keyOf({ scopes }: Access): string {
  return scopes.toSorted().join(' ')
}

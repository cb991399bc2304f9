/** What an application asks when it sends somebody here to log in (RFC 6749, section 4.1.1, as RFC 9700 narrows it). */
import { timingSafeEqual } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { type Client, findClient } from './clients.ts'
import { isPkceChallenge } from './pkce.ts'
import { isRedirectAllowed } from './redirect-uri.ts'

export type AuthorizationRequest = z.output<typeof requestSchema>

const requestSchema = z.object({
  client_id: z.string(), redirect_uri: z.string(), scope: z.string(), state: z.string().optional(), nonce: z.string().optional(),
  challenge: z.string(), expires_at: z.number(),
})

export type AuthorizationQuery = {
  readonly client_id?: string | undefined
  readonly redirect_uri?: string | undefined
  readonly response_type?: string | undefined
  readonly response_mode?: string | undefined
  readonly scope?: string | undefined
  readonly state?: string | undefined
  readonly nonce?: string | undefined
  readonly code_challenge?: string | undefined
  readonly code_challenge_method?: string | undefined
  readonly prompt?: string | undefined
  readonly request?: string | undefined
  readonly request_uri?: string | undefined
}

export type CheckedRequest = { readonly client: Client } & (
  | { readonly request: AuthorizationRequest }
  /** Where to tell the application what is wrong. */
  | { readonly refusal: string }
)

/** How long somebody may sit before the login page. */
const FORM_MS = 10 * 60_000
const PURPOSE = 'authorization request'

/** Throws a problem, for the person's eyes, when it is not certain whose redirect URI this is: nobody is sent there then. */
export async function checkAuthorization(deps: Deps, query: AuthorizationQuery, nowMs: number): Promise<CheckedRequest> {
  const { client_id = '', redirect_uri, response_type, response_mode, scope = '', state, nonce, code_challenge, code_challenge_method, prompt } = query
  const client = await findClient(deps.db, client_id)
  if (client === undefined) throw new Problem(400, 'unknown_client', 'the application that sent you here is not known')
  if (redirect_uri === undefined || !isRedirectAllowed(redirect_uri, client.redirect_uris)) {
    throw new Problem(400, 'wrong_redirect_uri', `${client.name} asked to send you to an address that is not registered for it`)
  }
  const refuse = (error: string, detail: string): CheckedRequest =>
    ({ client, refusal: redirectTo(redirect_uri, { error, error_description: detail, state, iss: deps.settings.issuer }) })
  if (!client.grants.includes('authorization_code')) return refuse('unauthorized_client', 'the client has no grant authorization_code')
  if (query.request !== undefined) return refuse('request_not_supported', 'request objects are not supported')
  if (query.request_uri !== undefined) return refuse('request_uri_not_supported', 'request_uri is not supported')
  if (response_type !== 'code') return refuse('unsupported_response_type', 'response_type must be code')
  if (response_mode !== undefined && response_mode !== 'query') return refuse('invalid_request', 'response_mode must be query')
  if (code_challenge_method !== 'S256' || code_challenge === undefined || !isPkceChallenge(code_challenge)) {
    return refuse('invalid_request', 'PKCE is needed: code_challenge with code_challenge_method=S256')
  }
  const asked = [...new Set(scope.split(' ').filter((one) => one !== ''))]
  const extra = asked.filter((one) => !client.scopes.includes(one))
  if (extra.length > 0) return refuse('invalid_scope', `the client may not ask for ${extra.join(' ')}`)
  // Nobody is remembered between two logins: there is no session of the browser here.
  if (prompt?.split(' ').includes('none')) return refuse('login_required', 'somebody must log in')
  return {
    client,
    request: {
      client_id, redirect_uri, scope: asked.join(' '), challenge: code_challenge, expires_at: nowMs + FORM_MS,
      ...(state !== undefined && { state }), ...(nonce !== undefined && { nonce }),
    },
  }
}

/** For the hidden field of the login page: what comes back was checked before. */
export function sealRequest({ vault }: Pick<Deps, 'vault'>, request: AuthorizationRequest): string {
  const body = Buffer.from(JSON.stringify(request)).toString('base64url')
  return `${body}.${vault.mac(PURPOSE, body)}`
}

/** `undefined` when it was not made here, or too long ago. */
export function openRequest({ vault }: Pick<Deps, 'vault'>, sealed: string, nowMs: number): AuthorizationRequest | undefined {
  const [body = '', mac = ''] = sealed.split('.')
  const wanted = Buffer.from(vault.mac(PURPOSE, body))
  const given = Buffer.from(mac)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined
  const request = requestSchema.parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
  return request.expires_at > nowMs ? request : undefined
}

/** The redirect URI with these parameters added to its own. */
export function redirectTo(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const url = new URL(uri)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.append(name, value)
  return url.href
}

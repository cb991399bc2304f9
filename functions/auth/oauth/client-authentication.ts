/** Who asks at the token endpoint: RFC 6749, section 2.3. A client, or a person's API key. */
import type { IncomingMessage } from 'node:http'
import type { Deps } from '../deps.ts'
import { findApiKey, parseApiKey, type UsedApiKey } from '../people/api-keys.ts'
import { type Client, findClient, isClientSecret } from './clients.ts'
import { oauthError } from './oauth-error.ts'

export type ClientCredentials = { readonly client_id?: string | undefined; readonly client_secret?: string | undefined }

export type AuthenticatedClient =
  | { readonly kind: 'client'; readonly client: Client }
  | { readonly kind: 'key'; readonly key: UsedApiKey }

/** Throws `invalid_client`. A client with a secret must show it; one without must show none. */
export async function authenticateClient(
  deps: Pick<Deps, 'db'>, request: IncomingMessage, body: ClientCredentials, nowMs: number,
): Promise<AuthenticatedClient> {
  const { id, secret } = credentialsOf(request, body)
  if (id.startsWith('key_')) {
    // The whole key is accepted as the secret too: it is what people were given.
    const whole = parseApiKey(secret ?? '')
    const key = await findApiKey(deps, id, whole === undefined ? secret ?? '' : whole.id === id ? whole.secret : '', nowMs)
    if (key === undefined) throw unknownClient()
    return { kind: 'key', key }
  }
  const client = await findClient(deps.db, id)
  if (client === undefined) throw unknownClient()
  const isRight = client.secret_hash === null ? secret === undefined : secret !== undefined && isClientSecret(client, secret)
  if (!isRight) throw unknownClient()
  return { kind: 'client', client }
}

function credentialsOf(request: IncomingMessage, body: ClientCredentials): { readonly id: string; readonly secret: string | undefined } {
  const { authorization } = request.headers
  if (authorization === undefined) {
    if (body.client_id === undefined) {
      throw oauthError('invalid_client', 'say who asks: HTTP Basic, or client_id and client_secret in the body')
    }
    return { id: body.client_id, secret: body.client_secret }
  }
  if (body.client_secret !== undefined) throw oauthError('invalid_request', 'the client secret comes twice: in the header and in the body')
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization) ?? []
  const [, id, secret] = /^([^:]*):(.*)$/.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? []
  if (id === undefined || secret === undefined) {
    throw oauthError('invalid_client', 'the Authorization header is not HTTP Basic with id and secret')
  }
  if (body.client_id !== undefined && body.client_id !== decode(id)) {
    throw oauthError('invalid_request', 'client_id is not the one of the Authorization header')
  }
  return { id: decode(id), secret: decode(secret) }
}

/** RFC 6749 has both form-encoded inside of Basic. */
function decode(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll('&', '%26')}`).get('v') ?? ''
}

function unknownClient() {
  return oauthError('invalid_client', 'there is no client with this id and secret')
}

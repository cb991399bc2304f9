/** OAuth 2.0 and OpenID Connect. */
import { createHash } from 'node:crypto'
import { json } from '@bramble/runtime/service/answer'
import { etagOf, matchesNone } from '@bramble/runtime/service/etag'
import { Problem } from '@bramble/runtime/service/problem'
import { type AnswerSpec, type Route, routeFor } from '@bramble/runtime/service/route'
import { bearerToken, isSameText } from '@bramble/runtime/service/token'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { showLogin, takeLogin } from '../oauth/authorize.ts'
import { authenticateClient } from '../oauth/client-authentication.ts'
import { grantTypes, scopes } from '../oauth/clients.ts'
import { errorPage } from '../oauth/login-page.ts'
import { oauthError, oauthErrorAnswer } from '../oauth/oauth-error.ts'
import { introspect, revoke } from '../oauth/token-state.ts'
import { giveTokens } from '../oauth/token.ts'
import { userInfo } from '../oauth/user-info.ts'
import type { Settings } from '../settings.ts'
import { type Caller, originOf } from './caller.ts'
import { BODY_LIMIT_BYTES } from './entry-routes.ts'
import { AuthorizeQuery, LoginForm, OAuthError, TokenForm, Tokens, TokenState, TokenStateForm } from './shapes.ts'

/** A verifier asks again after this time; a new key is shown for longer than this before it signs. */
export const JWKS_MAX_AGE_SECONDS = 300
const FORM = 'application/x-www-form-urlencoded'
const cached = { 'cache-control': `public, max-age=${JWKS_MAX_AGE_SECONDS}` }

export function oauthRoutes(deps: Deps, serviceToken: string): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const common = { tag: 'oauth', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  const pageRefusal = ({ status, message }: Problem) => errorPage(status, message)
  const loginPageSpec = {
    200: { description: 'The login page', type: 'text/html' }, 303: { description: 'Back to the application, with a code or an error' },
    ...refusals([400, 401, 403, 413, 415, 429, 503], { description: 'A page that says what is wrong', type: 'text/html' }),
    431: { description: 'The address is longer than the platform takes', type: 'text/plain' },
  }
  const oauthRefusals = refusals([400, 401, 413, 415, 429, 503], { description: 'An error of RFC 6749', schema: OAuthError })
  const metadata = JSON.stringify(metadataOf(deps.settings))
  const describes = (at: string, id: string, summary: string) => route({
    tag: 'oauth', method: 'get', at, id, summary, access: 'public',
    answers: { 200: { description: 'The metadata', schema: z.looseObject({ issuer: z.string() }) } },
    handle: () => ({ status: 200, headers: { ...cached, 'content-type': 'application/json' }, body: metadata }),
  })
  const userInfoRoute = (method: 'get' | 'post', id: string) => route({
    ...common, method, at: '/oauth/userinfo', id, summary: 'What the access token of an application may know about its person', access: 'token',
    answers: { 200: { description: 'Claims', schema: z.looseObject({ sub: z.string() }) } },
    handle: async ({ request, callId }) => json(await userInfo(deps, bearerToken(request), originOf(request, callId))),
  })

  return [
    describes('/.well-known/openid-configuration', 'openidConfiguration', 'OpenID Connect Discovery'),
    describes('/.well-known/oauth-authorization-server', 'authorizationServer', 'The same for OAuth (RFC 8414)'),
    route({
      ...common, method: 'get', at: '/oauth/jwks', id: 'jwks', summary: 'The public keys of all tokens that may be about', access: 'public',
      headers: z.object({ 'if-none-match': z.string().max(500).optional() }),
      answers: {
        200: {
          description: 'RFC 7517', type: 'application/jwk-set+json', headers: { ETag: 'Of the keys' },
          schema: z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) }),
        },
        304: { description: 'Still the same' },
      },
      async handle({ headers, request, callId }) {
        await deps.ready()
        const body = JSON.stringify(await deps.keys.jwks(originOf(request, callId).nowMs))
        const etag = etagOf(createHash('sha256').update(body).digest('base64url'))
        if (!matchesNone(headers['if-none-match'], etag)) return { status: 304, headers: { ...cached, etag } }
        return { status: 200, headers: { ...cached, etag, 'content-type': 'application/jwk-set+json' }, body }
      },
    }),

    route({
      ...common, method: 'get', at: '/oauth/authorize', id: 'authorize',
      summary: 'The login page, for a browser that an application sent', access: 'public',
      query: AuthorizeQuery, answers: loginPageSpec, refuse: pageRefusal,
      handle: async ({ query, request, callId }) => showLogin(deps, query, originOf(request, callId)),
    }),
    route({
      ...common, method: 'post', at: '/oauth/authorize', id: 'takeLogin', summary: 'The form of the login page', access: 'public',
      body: LoginForm, bodyType: FORM, bodyLimitBytes: 2 * BODY_LIMIT_BYTES, answers: loginPageSpec, refuse: pageRefusal,
      async handle({ body, request, callId }) {
        const site = request.headers['sec-fetch-site']
        if (site !== undefined && site !== 'same-origin') {
          throw new Problem(403, 'forbidden', 'this form was sent from another site; go back to the application and begin again')
        }
        return takeLogin(deps, body, originOf(request, callId))
      },
    }),

    route({
      ...common, method: 'post', at: '/oauth/token', id: 'token',
      summary: 'Tokens for a code, a refresh token, or a client itself (RFC 6749)', access: 'client',
      body: TokenForm, bodyType: FORM,
      answers: { 200: { description: 'Tokens', schema: Tokens }, ...oauthRefusals }, refuse: oauthErrorAnswer,
      handle: async ({ body, request, callId }) => json(await giveTokens(deps, request, body, originOf(request, callId)), 200, { pragma: 'no-cache' }),
    }),
    route({
      ...common, method: 'post', at: '/oauth/introspect', id: 'introspect', summary: 'Whether a token counts (RFC 7662)', access: 'client',
      description: 'For services with the service token, all tokens; for a client with a secret, its own.',
      body: TokenStateForm, bodyType: FORM,
      answers: { 200: { description: 'What it says, if it counts', schema: TokenState }, ...oauthRefusals }, refuse: oauthErrorAnswer,
      async handle({ body, request, callId }) {
        const origin = originOf(request, callId)
        const shown = bearerToken(request)
        if (shown !== undefined && isSameText(shown, serviceToken)) return json(await introspect(deps, body.token, undefined, origin))
        const who = await authenticateClient(deps, request, body, origin.nowMs)
        if (who.kind !== 'client' || who.client.secret_hash === null) {
          throw oauthError('invalid_client', 'only clients with a secret may ask')
        }
        return json(await introspect(deps, body.token, who.client.id, origin))
      },
    }),
    route({
      ...common, method: 'post', at: '/oauth/revoke', id: 'revoke',
      summary: 'Ends a token, and the session it belongs to (RFC 7009)', access: 'client',
      body: TokenStateForm, bodyType: FORM,
      answers: { 200: { description: 'It counts no more, if it ever did' }, ...oauthRefusals }, refuse: oauthErrorAnswer,
      async handle({ body, request, callId }) {
        const origin = originOf(request, callId)
        const who = await authenticateClient(deps, request, body, origin.nowMs)
        await revoke(deps, body.token, who.kind === 'client' ? who.client.id : who.key.id, origin)
        return { status: 200 }
      },
    }),
    userInfoRoute('get', 'userInfo'),
    userInfoRoute('post', 'postUserInfo'),
  ]
}

function refusals(statuses: readonly number[], spec: AnswerSpec): Readonly<Record<number, AnswerSpec>> {
  return Object.fromEntries(statuses.map((status) => [status, spec]))
}

/** OpenID Connect Discovery 1.0 and RFC 8414. */
function metadataOf({ issuer }: Settings) {
  const clientMethods = ['client_secret_basic', 'client_secret_post']
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    userinfo_endpoint: `${issuer}/oauth/userinfo`,
    jwks_uri: `${issuer}/oauth/jwks`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: grantTypes,
    scopes_supported: scopes,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['EdDSA'],
    token_endpoint_auth_methods_supported: [...clientMethods, 'none'],
    introspection_endpoint_auth_methods_supported: clientMethods,
    revocation_endpoint_auth_methods_supported: [...clientMethods, 'none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'amr', 'sid', 'email', 'email_verified', 'name', 'roles'],
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    claims_parameter_supported: false,
  }
}

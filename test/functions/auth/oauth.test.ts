import { createHash, randomBytes } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import * as assert from 'uvu/assert'
import { cases, test } from '../../kit.ts'
import { listIn, PASSWORD, recordIn, type Reply, type Stage, stageForFile } from './stage.ts'

const ISSUER = 'https://pi.example/function/auth'
const CALLBACK = 'https://app.example/callback'
const stage = stageForFile({ issuer: ISSUER, refresh_grace: '0s' })

type App = { readonly client_id: string; readonly client_secret?: string }
type Pkce = { readonly verifier: string; readonly challenge: string }

function newPkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

async function newApp({ call, serviceToken }: Stage, more: Record<string, unknown> = {}): Promise<App> {
  const { status, body, text } = await call('POST', '/v1/clients', {
    token: serviceToken,
    json: {
      name: 'Book shop', redirect_uris: [CALLBACK], grants: ['authorization_code', 'refresh_token'],
      scopes: ['openid', 'email', 'profile', 'roles', 'offline_access'], ...more,
    },
  })
  if (status !== 201) throw new Error(text)
  const { client_id, client_secret } = body
  return { client_id: String(client_id), ...(client_secret !== undefined && { client_secret: String(client_secret) }) }
}

function askFor(app: App, pkce: Pkce, more: Record<string, string> = {}): string {
  return `/oauth/authorize?${new URLSearchParams({
    response_type: 'code', client_id: app.client_id, redirect_uri: CALLBACK, scope: 'openid email offline_access', state: 'a state', nonce: 'a nonce',
    code_challenge: pkce.challenge, code_challenge_method: 'S256', ...more,
  }).toString()}`
}

/** The hidden field of the page. */
const requestIn = (page: Reply): string => /name="request" value="([^"]+)"/.exec(page.text)?.[1] ?? ''

/** As a browser does it: the page, the form, and where it is sent then. */
async function logInAt({ call }: Stage, app: App, pkce: Pkce, email: string, more: Record<string, string> = {}): Promise<URL> {
  const page = await call('GET', askFor(app, pkce, more))
  const answer = await call('POST', '/oauth/authorize', { form: { request: requestIn(page), email, password: PASSWORD } })
  if (answer.status !== 303) throw new Error(`${answer.status} ${answer.text}`)
  return new URL(answer.headers.get('location') ?? '')
}

const basic = ({ client_id, client_secret = '' }: App) => ({ authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}` })
const exchange = ({ call }: Stage, app: App, code: string, verifier: string, more: Record<string, string> = {}) => call('POST', '/oauth/token', {
  headers: app.client_secret === undefined ? {} : basic(app),
  form: { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier, ...(app.client_secret === undefined && { client_id: app.client_id }), ...more },
})

async function tokensFor(on: Stage, app: App, email: string, more: Record<string, string> = {}): Promise<Record<string, string>> {
  const pkce = newPkce()
  const code = (await logInAt(on, app, pkce, email, more)).searchParams.get('code') ?? ''
  const { status, body, text } = await exchange(on, app, code, pkce.verifier)
  if (status !== 200) throw new Error(text)
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, String(value)]))
}

test('discovery tells every address below the issuer, and only what there is', async () => {
  const { call } = await stage.on()
  const { body, headers } = await call('GET', '/.well-known/openid-configuration')
  assert.is(body['issuer'], ISSUER)
  for (const [name, value] of Object.entries(body)) {
    if (/_endpoint$|_uri$/.test(name)) assert.ok(String(value).startsWith(`${ISSUER}/oauth/`), name)
  }
  assert.equal(body['code_challenge_methods_supported'], ['S256'])
  assert.equal(body['response_types_supported'], ['code'])
  assert.match(headers.get('cache-control') ?? '', /public, max-age=\d+/)
  assert.equal((await call('GET', '/.well-known/oauth-authorization-server')).body, body)
})

test('the keys may be cached, and are not sent again to who has them', async () => {
  const { call } = await stage.on()
  const { status, headers, body } = await call('GET', '/oauth/jwks')
  assert.is(status, 200)
  assert.match(headers.get('cache-control') ?? '', /public, max-age=\d+/)
  const keys = listIn(body['keys']).map(recordIn)
  assert.equal(keys.map(({ kty, crv, alg, use }) => [kty, crv, alg, use]), [['OKP', 'Ed25519', 'EdDSA', 'sig']])
  assert.not.ok(keys.some((key) => 'd' in key))
  const again = await call('GET', '/oauth/jwks', { headers: { 'if-none-match': headers.get('etag') ?? '' } })
  assert.equal([again.status, again.text], [304, ''])
})

test('an application sends somebody here, and gets tokens that say who it was', async () => {
  const on = await stage.on()
  await on.person('code@example.org')
  const app = await newApp(on)
  const pkce = newPkce()
  const back = await logInAt(on, app, pkce, 'code@example.org')
  assert.is(back.origin + back.pathname, CALLBACK)
  // RFC 9207: the application can tell which server this answer came from.
  assert.equal([back.searchParams.get('state'), back.searchParams.get('iss')], ['a state', ISSUER])
  const { status, body, headers } = await exchange(on, app, back.searchParams.get('code') ?? '', pkce.verifier)
  assert.is(status, 200)
  assert.is(headers.get('cache-control'), 'no-store')
  assert.equal([body['token_type'], body['expires_in'], body['scope']], ['Bearer', 900, 'openid email offline_access'])

  const keys = recordIn((await on.call('GET', '/oauth/jwks')).body)
  const jwks = createLocalJWKSet({ keys: listIn(keys['keys']).map((key) => ({ kty: 'OKP', ...recordIn(key) })) })
  const { payload } = await jwtVerify(String(body['id_token']), jwks, { issuer: ISSUER, audience: app.client_id, typ: 'JWT' })
  assert.equal([payload['email'], payload['email_verified'], payload['nonce'], payload['amr'], payload['name']], ['code@example.org', true, 'a nonce', ['pwd'], undefined])
  const { payload: access } = await jwtVerify(String(body['access_token']), jwks, { issuer: ISSUER, audience: 'bramble', typ: 'at+jwt' })
  // Who did not ask for roles has none in the token.
  assert.equal([access.sub, access['client_id'], access['roles'], access['scope']], [payload.sub, app.client_id, [], 'openid email offline_access'])

  const info = await on.call('GET', '/oauth/userinfo', { token: String(body['access_token']) })
  assert.equal(info.body, { sub: payload.sub, email: 'code@example.org', email_verified: true })
})

test('a public client needs no secret, and sends none', async () => {
  const on = await stage.on()
  await on.person('public@example.org')
  const app = await newApp(on, { confidential: false })
  const { access_token } = await tokensFor(on, app, 'public@example.org')
  assert.ok(access_token)
  const { status, body } = await exchange(on, app, 'x', 'y', { client_secret: 'made up' })
  assert.equal([status, body['error']], [401, 'invalid_client'])
})

test('without offline_access there is no refresh token, and without openid no ID token', async () => {
  const on = await stage.on()
  await on.person('less@example.org')
  const tokens = await tokensFor(on, await newApp(on), 'less@example.org', { scope: 'email' })
  assert.equal([tokens['refresh_token'], tokens['id_token']], [undefined, undefined])
  const info = await on.call('GET', '/oauth/userinfo', { token: tokens['access_token'] })
  assert.equal([info.status, info.body['code']], [403, 'insufficient_scope'])
})

test('a code is good once; who sends it again ends what it has brought', async () => {
  const on = await stage.on()
  await on.person('twice@example.org')
  const app = await newApp(on)
  const pkce = newPkce()
  const code = (await logInAt(on, app, pkce, 'twice@example.org')).searchParams.get('code') ?? ''
  const first = await exchange(on, app, code, pkce.verifier)
  const second = await exchange(on, app, code, pkce.verifier)
  assert.equal([first.status, second.status, second.body['error']], [200, 400, 'invalid_grant'])
  const refreshed = await on.call('POST', '/oauth/token', { headers: basic(app), form: { grant_type: 'refresh_token', refresh_token: String(first.body['refresh_token']) } })
  assert.equal([refreshed.status, refreshed.body['error']], [400, 'invalid_grant'])
  assert.is((await on.call('GET', '/oauth/userinfo', { token: String(first.body['access_token']) })).status, 401)
})

test('of many who send a code at the same time one gets tokens, if any', async () => {
  const on = await stage.on()
  await on.person('codes@example.org')
  const app = await newApp(on)
  const pkce = newPkce()
  const code = (await logInAt(on, app, pkce, 'codes@example.org')).searchParams.get('code') ?? ''
  const replies = await Promise.all([1, 2, 3, 4].map(() => exchange(on, app, code, pkce.verifier)))
  assert.ok(replies.filter(({ status }) => status === 200).length <= 1)
})

cases('a code is refused with', [
  { name: 'another verifier', form: { code_verifier: 'x'.repeat(43) }, ofOther: false },
  { name: 'no verifier', form: { code_verifier: '' }, ofOther: false },
  { name: 'another redirect URI', form: { redirect_uri: 'https://app.example/other' }, ofOther: false },
  { name: 'another client', form: {}, ofOther: true },
], async ({ form, ofOther }) => {
  const on = await stage.on()
  const email = `refused-${randomBytes(4).toString('hex')}@example.org`
  await on.person(email)
  const app = await newApp(on)
  const pkce = newPkce()
  const code = (await logInAt(on, app, pkce, email)).searchParams.get('code') ?? ''
  const { status, body } = await exchange(on, ofOther ? await newApp(on) : app, code, pkce.verifier, form)
  assert.equal([status, body['error']], [400, 'invalid_grant'])
})

cases('the application is told, and nobody logs in, with', [
  { name: 'no PKCE', more: { code_challenge: '' }, error: 'invalid_request' },
  { name: 'PKCE of the method plain', more: { code_challenge_method: 'plain' }, error: 'invalid_request' },
  { name: 'the implicit flow', more: { response_type: 'token' }, error: 'unsupported_response_type' },
  { name: 'a scope it may not have', more: { scope: 'openid admin' }, error: 'invalid_scope' },
  { name: 'prompt=none', more: { prompt: 'none' }, error: 'login_required' },
  { name: 'a request object', more: { request: 'eyJ' }, error: 'request_not_supported' },
], async ({ more, error }) => {
  const on = await stage.on()
  const { status, headers } = await on.call('GET', askFor(await newApp(on), newPkce(), more))
  assert.is(status, 303)
  const back = new URL(headers.get('location') ?? '')
  assert.equal([back.origin, back.searchParams.get('error'), back.searchParams.get('state'), back.searchParams.get('iss')], ['https://app.example', error, 'a state', ISSUER])
  assert.is(back.searchParams.get('code'), null)
})

cases('nobody is sent anywhere with', [
  { name: 'an unknown client', more: { client_id: 'cli_unknown' } },
  { name: 'a redirect URI that is not registered', more: { redirect_uri: 'https://evil.example/callback' } },
  { name: 'a redirect URI that only begins as a registered one', more: { redirect_uri: `${CALLBACK}.evil.example` } },
], async ({ more }) => {
  const on = await stage.on()
  const { status, headers, text } = await on.call('GET', askFor(await newApp(on), newPkce(), more))
  assert.equal([status, headers.get('location')], [400, null])
  assert.match(text, /Cannot log in/)
})

test('the login page has no scripts, cannot be framed, and shows names as text', async () => {
  const on = await stage.on()
  const app = await newApp(on, { name: '<script>alert(1)</script>' })
  const page = await on.call('GET', askFor(app, newPkce()))
  assert.is(page.status, 200)
  assert.not.match(page.text, /<script/)
  assert.match(page.text, /&#60;script&#62;/)
  const policy = page.headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/app\.example; base-uri 'none'; frame-ancestors 'none'/)
  const style = /<style>([\s\S]*)<\/style>/.exec(page.text)?.[1] ?? ''
  assert.ok(policy.includes(createHash('sha256').update(style).digest('base64')))
  assert.equal(['x-frame-options', 'referrer-policy', 'cache-control'].map((name) => page.headers.get(name)), ['DENY', 'no-referrer', 'no-store'])
})

test('a wrong password shows the page again, a right one later goes on, and a changed form is refused', async () => {
  const on = await stage.on()
  await on.person('form@example.org')
  const page = await on.call('GET', askFor(await newApp(on), newPkce()))
  const request = requestIn(page)
  const wrong = await on.call('POST', '/oauth/authorize', { form: { request, email: 'form@example.org', password: '"><script>' } })
  assert.is(wrong.status, 401)
  assert.match(wrong.text, /The e-mail address or the password is wrong\./)
  assert.is(requestIn(wrong), request)
  assert.not.match(wrong.text, /<script/)
  const right = await on.call('POST', '/oauth/authorize', { form: { request, email: 'form@example.org', password: PASSWORD } })
  assert.is(right.status, 303)

  const [body = '', mac = ''] = request.split('.')
  const evil = { ...recordIn(JSON.parse(Buffer.from(body, 'base64url').toString())), redirect_uri: 'https://evil.example/' }
  const forged = `${Buffer.from(JSON.stringify(evil)).toString('base64url')}.${mac}`
  const refused = await on.call('POST', '/oauth/authorize', { form: { request: forged, email: 'form@example.org', password: PASSWORD } })
  assert.equal([refused.status, refused.headers.get('location')], [400, null])
  const elsewhere = await on.call('POST', '/oauth/authorize', { form: { request, email: 'form@example.org', password: PASSWORD }, headers: { 'sec-fetch-site': 'cross-site' } })
  assert.is(elsewhere.status, 403)
})

test('a refresh token of an application rotates, is bound to it, and its scope only shrinks', async () => {
  const on = await stage.on()
  await on.person('bound@example.org')
  const app = await newApp(on)
  const { refresh_token = '' } = await tokensFor(on, app, 'bound@example.org')
  const refresh = (who: App, token: string, more: Record<string, string> = {}) =>
    on.call('POST', '/oauth/token', { headers: basic(who), form: { grant_type: 'refresh_token', refresh_token: token, ...more } })
  assert.is((await refresh(await newApp(on), refresh_token)).body['error'], 'invalid_grant')
  assert.is((await on.call('POST', '/v1/refresh', { json: { refresh_token } })).status, 401)
  const more = await refresh(app, refresh_token, { scope: 'openid roles' })
  assert.equal([more.status, more.body['error']], [400, 'invalid_scope'])
  const less = await refresh(app, refresh_token, { scope: 'openid' })
  assert.equal([less.status, less.body['scope']], [200, 'openid'])
  assert.equal((await on.call('GET', '/oauth/userinfo', { token: String(less.body['access_token']) })).body['email'], undefined)
  const stolen = await refresh(app, refresh_token)
  assert.is(stolen.body['error'], 'invalid_grant')
  assert.is((await refresh(app, String(less.body['refresh_token']))).body['error'], 'invalid_grant')
})

test('what an application was given does not open the account itself', async () => {
  const on = await stage.on()
  await on.person('takeover@example.org')
  const { access_token } = await tokensFor(on, await newApp(on), 'takeover@example.org', { scope: 'openid roles' })
  for (const [method, path] of [['GET', '/v1/me'], ['GET', '/v1/me/export'], ['POST', '/v1/me/api-keys'], ['GET', '/v1/users']] as const) {
    assert.is((await on.call(method, path, { token: access_token })).status, 403, path)
  }
})

test('a machine gets tokens with its secret, in the header or in the form, and no refresh token', async () => {
  const on = await stage.on()
  const machine = await newApp(on, { grants: ['client_credentials'], redirect_uris: [], scopes: [], roles: ['reader'] })
  const inHeader = await on.call('POST', '/oauth/token', { headers: basic(machine), form: { grant_type: 'client_credentials' } })
  const inForm = await on.call('POST', '/oauth/token', { form: { grant_type: 'client_credentials', client_id: machine.client_id, client_secret: machine.client_secret ?? '' } })
  for (const { status, body } of [inHeader, inForm]) {
    assert.equal([status, body['refresh_token']], [200, undefined])
    const claims = recordIn(JSON.parse(Buffer.from(String(body['access_token']).split('.')[1] ?? '', 'base64url').toString()))
    assert.equal([claims['sub'], claims['client_id'], claims['roles'], claims['sid']], [machine.client_id, machine.client_id, ['reader'], undefined])
  }
})

cases('the token endpoint refuses', [
  { name: 'a wrong secret', form: { grant_type: 'client_credentials' }, secret: 'wrong', error: 'invalid_client', status: 401 },
  { name: 'a grant it does not know', form: { grant_type: 'password', username: 'x', password: 'y' }, secret: undefined, error: 'unsupported_grant_type', status: 400 },
  { name: 'a grant the client does not have', form: { grant_type: 'authorization_code', code: 'x' }, secret: undefined, error: 'unauthorized_client', status: 400 },
  { name: 'no grant at all', form: {}, secret: undefined, error: 'invalid_request', status: 400 },
  { name: 'two ways of saying the secret', form: { grant_type: 'client_credentials', client_secret: 'x' }, secret: undefined, error: 'invalid_request', status: 400 },
], async ({ form, secret, error, status }) => {
  const on = await stage.on()
  const machine = await newApp(on, { grants: ['client_credentials'], redirect_uris: [] })
  const reply = await on.call('POST', '/oauth/token', { headers: basic(secret === undefined ? machine : { ...machine, client_secret: secret }), form })
  assert.equal([reply.status, reply.body['error']], [status, error])
  assert.type(reply.body['error_description'], 'string')
  if (status === 401) assert.match(reply.headers.get('www-authenticate') ?? '', /^Basic/)
})

test('a parameter that comes twice is refused', async () => {
  const on = await stage.on()
  const machine = await newApp(on, { grants: ['client_credentials'], redirect_uris: [] })
  const { status, body } = await on.call('POST', '/oauth/token?', { headers: { ...basic(machine), 'content-type': 'application/x-www-form-urlencoded' }, form: { grant_type: 'client_credentials' } })
  assert.is(status, 200, JSON.stringify(body))
  const response = await fetch(`${on.url}/oauth/token`, {
    method: 'POST', headers: { ...basic(machine), 'content-type': 'application/x-www-form-urlencoded' }, body: 'grant_type=client_credentials&grant_type=password',
  })
  assert.equal([response.status, recordIn(await response.json())['error']], [400, 'invalid_request'])
})

test('an API key acts for its person with the roles both have, until it is deleted', async () => {
  const on = await stage.on()
  const { call, serviceToken } = on
  const { access } = await on.person('key@example.org')
  const me = String((await call('GET', '/v1/me', { token: access })).body['id'])
  await call('PATCH', `/v1/users/${me}`, { token: serviceToken, json: { roles: ['editor', 'ops'] } })
  assert.is((await call('POST', '/v1/me/api-keys', { token: access, json: { name: 'too much', roles: ['admin'] } })).status, 403)
  const { body: key } = await call('POST', '/v1/me/api-keys', { token: access, json: { name: 'backup', roles: ['ops'], expires_in_days: 30 } })
  const use = () => call('POST', '/oauth/token', { form: { grant_type: 'client_credentials', client_id: String(key['id']), client_secret: String(key['key']) } })
  const introspect = async (token: unknown) => (await call('POST', '/oauth/introspect', { token: serviceToken, form: { token: String(token) } })).body
  const { body: tokens } = await use()
  assert.equal([(await introspect(tokens['access_token']))['roles'], (await introspect(tokens['access_token']))['sub']], [['ops'], me])
  assert.equal([(await introspect(key['key']))['active'], (await introspect(key['key']))['token_type']], [true, 'api_key'])
  assert.is((await call('GET', '/v1/me', { token: String(tokens['access_token']) })).status, 403)
  await call('PATCH', `/v1/users/${me}`, { token: serviceToken, json: { roles: ['editor'] } })
  assert.equal((await introspect((await use()).body['access_token']))['roles'], [])
  assert.is((await call('DELETE', `/v1/me/api-keys/${String(key['id'])}`, { token: access })).status, 204)
  assert.is((await use()).body['error'], 'invalid_client')
  assert.equal([await introspect(key['key']), await introspect(tokens['access_token'])], [{ active: false }, { active: false }])
  assert.not.ok((await on.rows('SELECT secret_hash FROM api_keys')).flat().some((hash) => String(key['key']).includes(String(hash))))
})

test('introspection tells services of all tokens, clients of their own, and nobody else of any', async () => {
  const on = await stage.on()
  const { call, serviceToken } = on
  const { access, refresh } = await on.person('introspect@example.org')
  const app = await newApp(on)
  const other = await newApp(on)
  const { access_token = '', refresh_token = '' } = await tokensFor(on, app, 'introspect@example.org')
  const ask = async (token: string, options: { token?: string; headers?: Record<string, string> }) => (await call('POST', '/oauth/introspect', { ...options, form: { token } })).body['active']
  assert.equal(await Promise.all([access, refresh, access_token, refresh_token, 'nonsense'].map((token) => ask(token, { token: serviceToken }))), [true, true, true, true, false])
  assert.equal(await Promise.all([access, access_token, refresh_token].map((token) => ask(token, { headers: basic(app) }))), [false, true, true])
  assert.equal(await Promise.all([access_token, refresh_token].map((token) => ask(token, { headers: basic(other) }))), [false, false])
  assert.is((await call('POST', '/oauth/introspect', { form: { token: access } })).status, 401)
  assert.is((await call('POST', '/oauth/introspect', { token: access, form: { token: access } })).status, 401)
  const publicApp = await newApp(on, { confidential: false })
  assert.is((await call('POST', '/oauth/introspect', { form: { token: access_token, client_id: publicApp.client_id } })).status, 401)
})

test('a revoked token and its session are over, and nobody revokes another\'s', async () => {
  const on = await stage.on()
  const { call, serviceToken } = on
  await on.person('revoke@example.org')
  const app = await newApp(on)
  const other = await newApp(on)
  const isActive = async (token = '') => (await call('POST', '/oauth/introspect', { token: serviceToken, form: { token } })).body['active']
  const revoke = (who: App, token = '') => call('POST', '/oauth/revoke', { headers: basic(who), form: { token, token_type_hint: 'access_token' } })
  const tokens = await tokensFor(on, app, 'revoke@example.org')
  assert.is((await revoke(other, tokens['refresh_token'])).status, 200)
  assert.is((await revoke(other, tokens['access_token'])).status, 200)
  assert.equal([await isActive(tokens['access_token']), await isActive(tokens['refresh_token'])], [true, true])
  assert.is((await revoke(app, tokens['refresh_token'])).status, 200)
  assert.equal([await isActive(tokens['access_token']), await isActive(tokens['refresh_token'])], [false, false])
  const more = await tokensFor(on, app, 'revoke@example.org')
  assert.is((await revoke(app, more['access_token'])).status, 200)
  assert.equal([await isActive(more['access_token']), await isActive(more['refresh_token'])], [false, false])
  assert.is((await revoke(app, 'nonsense')).status, 200)
  assert.is((await revoke({ ...app, client_secret: 'wrong' }, more['access_token'])).status, 401)
})

test('a deleted client is out at once', async () => {
  const on = await stage.on()
  await on.person('client@example.org')
  const app = await newApp(on)
  const { access_token = '', refresh_token = '' } = await tokensFor(on, app, 'client@example.org')
  assert.is((await on.call('DELETE', `/v1/clients/${app.client_id}`, { token: on.serviceToken })).status, 204)
  assert.is((await on.call('GET', '/oauth/userinfo', { token: access_token })).status, 401)
  assert.is((await on.call('POST', '/oauth/token', { headers: basic(app), form: { grant_type: 'refresh_token', refresh_token } })).body['error'], 'invalid_client')
  assert.is((await on.call('GET', `/v1/clients/${app.client_id}`, { token: on.serviceToken })).status, 404)
})

test('a client is not made with a redirect URI that is not safe', async () => {
  const on = await stage.on()
  const json = { name: 'x', grants: ['authorization_code'], redirect_uris: [CALLBACK, 'http://app.example/', 'javascript:alert(1)'] }
  const { status, body } = await on.call('POST', '/v1/clients', { token: on.serviceToken, json })
  assert.equal([status, body['code']], [422, 'unsafe_redirect_uri'])
  assert.equal(listIn(body['errors']).map((error) => recordIn(error)['path']), ['/redirect_uris/1', '/redirect_uris/2'])
})

stage.end()

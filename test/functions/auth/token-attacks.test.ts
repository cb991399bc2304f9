/** Every way of RFC 8725 to get a token accepted that was not made for this. */
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { CompactSign, decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose'
import * as assert from 'uvu/assert'
import { createAccessTokens } from '../../../functions/auth/tokens/access-tokens.ts'
import type { SigningKeys } from '../../../functions/auth/tokens/signing-keys.ts'
import { cases, test } from '../../kit.ts'
import { listIn, recordIn, stageForFile } from './stage.ts'

const KID = 'the-kid'
const ISSUER = 'https://pi.example/function/auth'
const NOW_MS = 1_800_000_000_000
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const other = generateKeyPairSync('ed25519')

const keys: SigningKeys = {
  current: async () => ({ kid: KID, privateKey }),
  find: async (kid) => kid === KID ? { kid, publicKey } : undefined,
  jwks: async () => ({ keys: [] }),
  rotate: async () => ({ kid: KID }),
}
const tokens = createAccessTokens({ keys, issuer: ISSUER, audience: 'bramble', lifeMs: 900_000 })
const fresh = () => tokens.sign({ userId: 'usr_1', sessionId: 'ses_1', clientId: 'self', scope: '', roles: [] }, NOW_MS)

const header = { alg: 'EdDSA', typ: 'at+jwt', kid: KID }
const seconds = NOW_MS / 1000
const claims: JWTPayload = {
  iss: ISSUER, aud: 'bramble', sub: 'usr_1', jti: 'jti_1', client_id: 'self', scope: '', roles: [], iat: seconds, exp: seconds + 900,
}
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const make = (over: JWTPayload, head: Record<string, unknown> = {}, key = privateKey) =>
  new SignJWT({ ...claims, ...over }).setProtectedHeader({ ...header, ...head }).sign(key)

test('a token that was made here is accepted, and says who it is for', async () => {
  const token = await fresh()
  assert.is((await tokens.verify(token, NOW_MS))?.sub, 'usr_1')
  assert.equal(decodeProtectedHeader(token), header)
  const { iss, aud, iat, exp, jti } = decodeJwt(token)
  assert.equal([iss, aud, iat, exp], [ISSUER, 'bramble', seconds, seconds + 900])
  assert.match(jti ?? '', /^jti_/)
})

test('the tokens below would be accepted, were it not for what is wrong with them', async () => {
  assert.ok(await tokens.verify(await make({}), NOW_MS))
})

cases('a token is refused', [
  { name: 'without a signature (alg none)', token: async () => `${encode({ ...header, alg: 'none' })}.${encode(claims)}.` },
  {
    name: 'signed with HMAC and the public key as its secret',
    token: async () => {
      const body = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`
      const secrets = publicKey.export({ format: 'pem', type: 'spki' })
      return `${body}.${createHmac('sha256', secrets).update(body).digest('base64url')}`
    },
  },
  { name: 'with another algorithm of the same key', token: () => make({}, { alg: 'Ed25519' }) },
  { name: 'signed by another key', token: () => make({}, {}, other.privateKey) },
  { name: 'with a key of its own inside', token: () => make({}, { jwk: other.publicKey.export({ format: 'jwk' }) }, other.privateKey) },
  { name: 'with a key from an address of its own', token: () => make({}, { jku: 'https://evil.example/jwks', kid: 'evil' }, other.privateKey) },
  { name: 'with a key id that is a path', token: () => make({}, { kid: '../../the-kid' }) },
  { name: 'without a key id', token: () => make({}, { kid: undefined }) },
  { name: 'of another issuer', token: () => make({ iss: 'https://evil.example' }) },
  { name: 'for another audience', token: () => make({ aud: 'another' }) },
  { name: 'without an audience', token: () => make({ aud: undefined as unknown as string }) },
  { name: 'that is an ID token', token: () => tokens.signId({ userId: 'usr_1', clientId: 'bramble', sessionId: 'ses_1', nonce: undefined, authAtMs: NOW_MS, amr: [], claims: {} }, NOW_MS) },
  { name: 'of another type', token: () => make({}, { typ: 'JWT' }) },
  { name: 'of no type', token: () => make({}, { typ: undefined }) },
  { name: 'without an end', token: () => make({ exp: undefined as unknown as number }) },
  { name: 'that is over', token: () => make({ exp: seconds - 6 }) },
  { name: 'that is not yet good', token: () => make({ nbf: seconds + 60 }) },
  { name: 'without a subject', token: () => make({ sub: '' }) },
  { name: 'with roles that are no list', token: () => make({ roles: 'admin' }) },
  { name: 'with a critical header nobody knows', token: () => new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ ...header, crit: ['b64'], b64: false }).sign(privateKey).catch(() => `${encode({ ...header, crit: ['x'], x: 1 })}.${encode(claims)}.AAAA`) },
  { name: 'with another payload under the signature', token: async () => { const [head, , signature] = (await fresh()).split('.'); return `${head}.${encode({ ...claims, sub: 'usr_2' })}.${signature}` } },
  { name: 'that is encrypted (five parts)', token: async () => 'eyJhbGciOiJkaXIifQ.a.b.c.d' },
  { name: 'that is a text', token: async () => 'nonsense' },
  { name: 'of a megabyte', token: async () => `${await fresh()}${'A'.repeat(1_000_000)}` },
], async ({ token }) => assert.is(await tokens.verify(await token(), NOW_MS), undefined))

test('clocks may differ by five seconds, and no more', async () => {
  const token = await fresh()
  assert.ok(await tokens.verify(token, NOW_MS + 904_000))
  assert.is(await tokens.verify(token, NOW_MS + 906_000), undefined)
})

const stage = stageForFile({ key_rotation: '1s', access_token_ttl: '4s' })

test('keys rotate by themselves: the next one is shown before it signs, and the old one until its tokens are over', async () => {
  const { call, person, logIn } = await stage.on()
  await person('rotation@example.org')
  const shown = async () => listIn((await call('GET', '/oauth/jwks')).body['keys']).map((key) => recordIn(key)['kid'])
  const seen = new Map<unknown, { access: string; atMs: number }>()
  const everShown = new Set<unknown>()
  const startedAt = Date.now()
  while (seen.size < 3 && Date.now() - startedAt < 60_000) {
    for (const kid of await shown()) everShown.add(kid)
    const { access } = await logIn('rotation@example.org')
    const { kid } = decodeProtectedHeader(access)
    assert.ok(everShown.has(kid), 'the key that signs was shown before')
    if (!seen.has(kid)) seen.set(kid, { access, atMs: Date.now() })
    for (const { access: older, atMs } of seen.values()) {
      const { status } = await call('GET', '/v1/me', { token: older })
      if (Date.now() - atMs < 4000) assert.is(status, 200)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.is(seen.size, 3)
})

test('a key that leaked is forgotten at once, with all that it signed', async () => {
  const { call, person, logIn, serviceToken } = await stage.on()
  await person('leak@example.org')
  const { access } = await logIn('leak@example.org')
  const rotated = await call('POST', '/v1/keys', { token: serviceToken, json: { forget_old: true } })
  assert.is(rotated.status, 201)
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  const { access: again, refresh } = await logIn('leak@example.org')
  assert.is(decodeProtectedHeader(again).kid, rotated.body['kid'])
  assert.is((await call('GET', '/v1/me', { token: again })).status, 200)
  assert.is((await call('POST', '/v1/refresh', { json: { refresh_token: refresh } })).status, 200)
})

test('the private keys lie in the database sealed', async () => {
  const { rows } = await stage.on()
  const stored = await rows('SELECT public_jwk, sealed_jwk FROM signing_keys')
  assert.ok(stored.length > 0)
  for (const [shown, sealed] of stored) {
    assert.match(String(sealed), /^v1\.[\w-]{100,}$/)
    assert.not.ok('d' in recordIn(JSON.parse(String(shown))))
  }
})

stage.end()

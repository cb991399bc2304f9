import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { clientAddress } from '../../../functions/auth/client-address.ts'
import { checkPkce, isPkceChallenge } from '../../../functions/auth/oauth/pkce.ts'
import { isRedirectAllowed, redirectUriProblem } from '../../../functions/auth/oauth/redirect-uri.ts'
import { cases, test } from '../../kit.ts'

// RFC 7636, appendix B.
const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

test('the verifier of RFC 7636 fits its challenge, and no other does', () => {
  assert.ok(checkPkce(verifier, challenge))
  assert.not.ok(checkPkce(`${verifier.slice(0, -1)}x`, challenge))
  assert.not.ok(checkPkce('', challenge))
})

test('a verifier that is too short, too long or has other characters never fits', () => {
  for (const bad of ['a'.repeat(42), 'a'.repeat(129), `${'a'.repeat(43)} `]) {
    assert.not.ok(checkPkce(bad, createHash('sha256').update(bad).digest('base64url')))
  }
})

test('the plain method does not fit: a challenge is not its own verifier', () => {
  assert.not.ok(checkPkce(challenge, challenge))
  assert.not.ok(isPkceChallenge('short'))
  assert.ok(isPkceChallenge(challenge))
})

cases('a redirect URI may be registered:', [
  { name: 'https', uri: 'https://app.example/callback?x=1' },
  { name: 'http on this machine', uri: 'http://127.0.0.1/callback' },
  { name: 'http on this machine, IPv6', uri: 'http://[::1]:8000/callback' },
  { name: 'an app\'s own scheme', uri: 'com.example.app:/callback' },
], ({ uri }) => assert.is(redirectUriProblem(uri), undefined))

cases('a redirect URI may not be registered:', [
  { name: 'http elsewhere', uri: 'http://app.example/callback' },
  { name: 'a fragment', uri: 'https://app.example/callback#x' },
  { name: 'a wildcard', uri: 'https://*.app.example/callback' },
  { name: 'a relative one', uri: '/callback' },
  { name: 'a user name', uri: 'https://app.example@evil.example/callback' },
  { name: 'a script', uri: 'javascript:alert(1)' },
  { name: 'data', uri: 'data:text/html,x' },
  { name: 'a scheme of one word', uri: 'myapp:/callback' },
], ({ uri }) => assert.type(redirectUriProblem(uri), 'string'))

const registered = ['https://app.example/callback', 'http://127.0.0.1/callback']

cases('a code is sent to', [
  { name: 'the registered URI', uri: 'https://app.example/callback' },
  { name: 'any port of a loopback address', uri: 'http://127.0.0.1:51234/callback' },
], ({ uri }) => assert.ok(isRedirectAllowed(uri, registered)))

cases('no code is sent to', [
  { name: 'another host', uri: 'https://evil.example/callback' },
  { name: 'a longer host', uri: 'https://app.example.evil.example/callback' },
  { name: 'another path', uri: 'https://app.example/callback/../evil' },
  { name: 'a path that only looks the same', uri: 'https://app.example/callback/' },
  { name: 'another port', uri: 'https://app.example:8443/callback' },
  { name: 'an added query', uri: 'https://app.example/callback?next=evil' },
  { name: 'a user name before the host', uri: 'https://app.example@evil.example/callback' },
  { name: 'another case', uri: 'https://app.example/Callback' },
  { name: 'a loopback name that DNS may answer', uri: 'http://localhost:51234/callback' },
  { name: 'a loopback address with a user name', uri: 'http://x@127.0.0.1:51234/callback' },
  { name: 'a loopback address with a fragment', uri: 'http://127.0.0.1:51234/callback#x' },
], ({ uri }) => assert.not.ok(isRedirectAllowed(uri, registered)))

cases('the caller\'s address is', [
  { name: 'the peer without a proxy', forwarded: undefined, peer: '192.0.2.1', address: '192.0.2.1' },
  { name: 'what the nearest proxy wrote', forwarded: '203.0.113.9, 192.0.2.7', peer: '10.0.0.1', address: '192.0.2.7' },
  { name: 'without a port', forwarded: '192.0.2.7:4711', peer: '10.0.0.1', address: '192.0.2.7' },
  { name: 'the peer when the header is nonsense', forwarded: 'evil<script>', peer: '10.0.0.1', address: '10.0.0.1' },
  { name: 'IPv4 inside of IPv6', forwarded: undefined, peer: '::ffff:192.0.2.1', address: '192.0.2.1' },
  { name: 'the network of an IPv6 address', forwarded: '2001:db8:1:2:3:4:5:6', peer: '10.0.0.1', address: '2001:db8:1:2::/64' },
  { name: 'the same network, however it is written', forwarded: '[2001:0DB8:1:2::6]:443', peer: '10.0.0.1', address: '2001:db8:1:2::/64' },
  { name: 'unknown when nothing is known', forwarded: undefined, peer: undefined, address: 'unknown' },
], ({ forwarded, peer, address }) => assert.is(clientAddress(forwarded, peer), address))

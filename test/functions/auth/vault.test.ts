import * as assert from 'uvu/assert'
import { isRealRefreshToken, parseRefreshToken, refreshToken } from '../../../functions/auth/tokens/refresh-tokens.ts'
import { createVault } from '../../../functions/auth/tokens/vault.ts'
import { cases, test } from '../../kit.ts'

const key = 'k'.repeat(40)
const vault = createVault(key)
const sessionId = `ses_${'s'.repeat(22)}`

test('what was sealed opens again, with the same key and for the same purpose only', () => {
  const sealed = vault.seal('letter', 'a secret ü')
  assert.is(createVault(key).open('letter', sealed), 'a secret ü')
  assert.throws(() => vault.open('signing key', sealed), /does not open/)
  assert.throws(() => createVault('j'.repeat(40)).open('letter', sealed), /is secret auth-key the one/)
})

test('the same text is sealed differently each time', () => {
  assert.is.not(vault.seal('letter', 'x'), vault.seal('letter', 'x'))
})

test('a changed byte anywhere is noticed', () => {
  const bytes = Buffer.from(vault.seal('letter', 'a secret').slice(3), 'base64url')
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes)
    changed[i] = (changed[i] ?? 0) ^ 1
    assert.throws(() => vault.open('letter', `v1.${changed.toString('base64url')}`))
  }
  assert.throws(() => vault.open('letter', 'v1.'), /damaged/)
  assert.throws(() => vault.open('letter', ''), /damaged/)
})

test('a key that can be guessed is refused, with the command that makes a good one', () => {
  assert.throws(() => createVault('short'), /openssl rand/)
})

test('a MAC depends on key, purpose and text', () => {
  const macs = [vault.mac('a', 'x'), vault.mac('b', 'x'), vault.mac('a', 'y'), createVault('j'.repeat(40)).mac('a', 'x')]
  assert.is(new Set(macs).size, 4)
  assert.is(vault.mac('a', 'x'), macs[0])
})

test('a refresh token tells its session and generation, and is real for the salt it was made with only', () => {
  const token = refreshToken(vault, sessionId, 7, 'salt')
  const parsed = parseRefreshToken(token)
  assert.ok(parsed)
  assert.is(parsed.sessionId, sessionId)
  assert.is(parsed.generation, 7)
  assert.ok(isRealRefreshToken(vault, parsed, 'salt'))
  assert.not.ok(isRealRefreshToken(vault, parsed, 'other'))
  assert.not.ok(isRealRefreshToken(vault, { ...parsed, generation: 8 }, 'salt'))
  assert.not.ok(isRealRefreshToken(vault, { ...parsed, sessionId: `ses_${'t'.repeat(22)}` }, 'salt'))
})

cases('no refresh token is', [
  { name: 'nothing', token: '' },
  { name: 'one without a MAC', token: `bmr_${sessionId}.1.` },
  { name: 'generation 0', token: `bmr_${sessionId}.0.${'m'.repeat(43)}` },
  { name: 'an access token', token: 'eyJhbGciOiJFZERTQSJ9.e30.x' },
], ({ token }) => assert.is(parseRefreshToken(token), undefined))

import * as assert from 'uvu/assert'
import { fromBase32, toBase32 } from '../../../functions/auth/second-factor/base32.ts'
import { newRecoveryCodes, normalizeRecoveryCode } from '../../../functions/auth/second-factor/recovery-codes.ts'
import { checkTotp, newTotpSecret, totpCode, totpStep, totpUri } from '../../../functions/auth/second-factor/totp.ts'
import { cases, test } from '../../kit.ts'

const secret = Buffer.from('12345678901234567890')

// RFC 6238, appendix B: the SHA-1 column, of which six digits are used.
cases('the code of RFC 6238 at', [
  { name: '59 s', atSeconds: 59, code: '287082' },
  { name: '1111111109 s', atSeconds: 1_111_111_109, code: '081804' },
  { name: '1111111111 s', atSeconds: 1_111_111_111, code: '050471' },
  { name: '1234567890 s', atSeconds: 1_234_567_890, code: '005924' },
  { name: '2000000000 s', atSeconds: 2_000_000_000, code: '279037' },
  { name: '20000000000 s', atSeconds: 20_000_000_000, code: '353130' },
], ({ atSeconds, code }) => {
  assert.is(totpCode(secret, totpStep(atSeconds * 1000)), code)
  assert.is(checkTotp(secret, code, atSeconds * 1000, 0), totpStep(atSeconds * 1000))
})

// RFC 4648, section 10, without the padding.
cases('base32 of', [
  { name: 'f', text: 'MY' }, { name: 'fo', text: 'MZXQ' }, { name: 'foo', text: 'MZXW6' },
  { name: 'foob', text: 'MZXW6YQ' }, { name: 'fooba', text: 'MZXW6YTB' }, { name: 'foobar', text: 'MZXW6YTBOI' },
], ({ name, text }) => {
  assert.is(toBase32(Buffer.from(name)), text)
  assert.is(fromBase32(text)?.toString(), name)
})

test('a code is good one step early and one step late, and no longer', () => {
  const nowMs = 1_700_000_000_000
  const step = totpStep(nowMs)
  const found = [-2, -1, 0, 1, 2].map((off) => checkTotp(secret, totpCode(secret, step + off), nowMs, 0))
  assert.equal(found, [undefined, step - 1, step, step + 1, undefined])
})

test('a code is good once, and none before it is good after it', () => {
  const nowMs = 1_700_000_000_000
  const step = totpStep(nowMs)
  assert.is(checkTotp(secret, totpCode(secret, step), nowMs, step), undefined)
  assert.is(checkTotp(secret, totpCode(secret, step - 1), nowMs, step), undefined)
  assert.is(checkTotp(secret, totpCode(secret, step + 1), nowMs, step), step + 1)
})

cases('no code is', [
  { name: 'nothing', code: '' }, { name: 'five digits', code: '12345' }, { name: 'seven digits', code: '1234567' },
  { name: 'letters', code: 'abcdef' }, { name: 'digits of another script', code: '١٢٣٤٥٦' },
], ({ code }) => assert.is(checkTotp(secret, code, 59_000, 0), undefined))

test('an authenticator app can read the address of a secret', () => {
  const uri = new URL(totpUri(secret, { issuer: 'My Pi & co', account: 'ada@example.org' }))
  assert.is(uri.protocol, 'otpauth:')
  assert.is(decodeURIComponent(uri.pathname), '/My Pi & co:ada@example.org')
  assert.is(uri.searchParams.get('secret'), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
  assert.is(uri.searchParams.get('issuer'), 'My Pi & co')
})

test('a new secret has 160 bits and is another one each time', () => {
  assert.is(newTotpSecret().length, 20)
  assert.not.equal(newTotpSecret(), newTotpSecret())
})

test('there are ten recovery codes, all different, and they are read as people type them', () => {
  const codes = newRecoveryCodes()
  assert.is(new Set(codes).size, 10)
  const [first = ''] = codes
  assert.match(first, /^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$/)
  assert.is(normalizeRecoveryCode(` ${first.toLowerCase().replaceAll('-', ' ')} `), normalizeRecoveryCode(first))
})

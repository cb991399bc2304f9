import * as assert from 'uvu/assert'
import { createPasswordHasher } from '../../../functions/auth/password/hasher.ts'
import { formatPhc, parsePhc } from '../../../functions/auth/password/phc.ts'
import { checkNewPassword } from '../../../functions/auth/people/password-rules.ts'
import { cases, test } from '../../kit.ts'

/** The smallest Argon2 there is: these tests are about everything around it. */
const cost = { memoryKib: 64, passes: 1, parallelism: 1 }
const full = new Error('full')
const hasherOf = (over: Partial<Parameters<typeof createPasswordHasher>[0]> = {}) =>
  createPasswordHasher({ cost, concurrency: 2, maxWaiting: 100, busy: () => full, ...over })

test('a password is verified against its hash, another one is not', async () => {
  const hasher = hasherOf()
  const phc = await hasher.hash('correct horse battery')
  assert.match(phc, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await hasher.verify('correct horse battery', phc), { isRight: true, isOutdated: false })
  assert.equal(await hasher.verify('correct horse batterz', phc), { isRight: false, isOutdated: false })
})

test('the same password has another hash each time', async () => {
  const hasher = hasherOf()
  assert.is.not(await hasher.hash('correct horse battery'), await hasher.hash('correct horse battery'))
})

test('without a hash nothing is right, and the work is done all the same', async () => {
  const hasher = hasherOf()
  assert.equal(await hasher.verify('correct horse battery', undefined), { isRight: false, isOutdated: false })
  assert.equal(await hasher.verify('correct horse battery', 'not a hash'), { isRight: false, isOutdated: false })
})

test('a hash made with other parameters is still right, and outdated', async () => {
  const old = await hasherOf({ cost: { ...cost, passes: 2 } }).hash('correct horse battery')
  assert.equal(await hasherOf().verify('correct horse battery', old), { isRight: true, isOutdated: true })
  assert.equal(await hasherOf().verify('wrong horse battery', old), { isRight: false, isOutdated: false })
})

test('a password typed with composed or decomposed letters is the same', async () => {
  const hasher = hasherOf()
  assert.ok((await hasher.verify('Bu\u0308cher im Regal', await hasher.hash('B\u00fccher im Regal'))).isRight)
})

test('a hundred at once: as many run as may, as many wait as may, the rest is told to come again', async () => {
  const hasher = hasherOf({ concurrency: 2, maxWaiting: 10 })
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => hasher.hash('correct horse battery')))
  assert.is(results.filter(({ status }) => status === 'fulfilled').length, 12)
  assert.ok(results.every((result) => result.status === 'fulfilled' || result.reason === full))
  // All places are free again.
  const again = await Promise.allSettled(Array.from({ length: 12 }, () => hasher.hash('correct horse battery')))
  assert.ok(again.every(({ status }) => status === 'fulfilled'))
})

test('a PHC string survives being read and written', () => {
  const text = '$argon2id$v=19$m=12288,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$3Nk1bGq3u9WwVt0V2Wb5sQ'
  const parsed = parsePhc(text)
  assert.ok(parsed)
  assert.equal(parsed.cost, { memoryKib: 12_288, passes: 3, parallelism: 1 })
  assert.is(parsed.salt.toString(), 'somesaltsomesalt')
  assert.is(formatPhc(parsed), text)
})

test('the reference implementation\'s hash is verified', async () => {
  // phc-winner-argon2: echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1
  const phc = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  assert.ok((await hasherOf().verify('password', phc)).isRight)
})

cases('no hash is', [
  { name: 'another algorithm', text: '$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA' },
  { name: 'another version', text: '$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA' },
  { name: 'a part too few', text: '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ' },
  { name: 'memory without end', text: '$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHRzb21l$c29tZXNhbHRzb21lc2FsdA' },
], ({ text }) => assert.is(parsePhc(text), undefined))

cases('a new password is refused that is', [
  { name: 'short', password: 'elevenchars' },
  { name: 'one character many times', password: 'aaaaaaaaaaaaaaaa' },
  { name: 'its owner\'s address', password: 'ada.lovelace@example.org' },
  { name: 'its owner\'s name and a little more', password: 'ada.lovelace1843' },
  { name: 'a row of the keyboard of numbers', password: '1234567890123' },
  { name: 'the alphabet backwards', password: 'zyxwvutsrqponm' },
], ({ password }) => assert.throws(() => checkNewPassword(password, { minLength: 12, email: 'ada.lovelace@example.org', path: '/password' }),
  (error: Error) => 'code' in error && error.code === 'weak_password'))

test('a long sentence is a good password, whatever signs it has or lacks', () => {
  checkNewPassword('the analytical engine weaves', { minLength: 12, email: 'ada@example.org', path: '/password' })
})

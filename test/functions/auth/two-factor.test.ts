import * as assert from 'uvu/assert'
import { fromBase32 } from '../../../functions/auth/second-factor/base32.ts'
import { totpCode, totpStep } from '../../../functions/auth/second-factor/totp.ts'
import { eventually, test } from '../../kit.ts'
import { listIn, PASSWORD, type Stage, stageForFile } from './stage.ts'

const stage = stageForFile()

/** A code that no login has used yet: the service allows one step ahead. */
const codeOf = (secret: Buffer, ahead = 0) => totpCode(secret, totpStep(Date.now()) + ahead)

/** Codes are computed here and looked at there: not while a step ends. */
const STEP_END_MS = 5000

async function withTotp({ call, person }: Stage, email: string) {
  const { access } = await person(email)
  await eventually('a step with some time left', () => Date.now() % 30_000 < 30_000 - STEP_END_MS)
  const begun = await call('POST', '/v1/me/totp', { token: access, json: { password: PASSWORD } })
  const secret = fromBase32(String(begun.body['secret'])) ?? Buffer.alloc(0)
  // The step before this one: so that this one is left for the login that follows.
  const confirmed = await call('POST', '/v1/me/totp/confirm', { token: access, json: { totp: codeOf(secret, -1) } })
  if (confirmed.status !== 200) throw new Error(confirmed.text)
  return { access, secret, codes: listIn(confirmed.body['recovery_codes']).map(String) }
}

test('a second factor counts once a code of it was seen', async () => {
  const on = await stage.on()
  const { access } = await on.person('begin@example.org')
  assert.is((await on.call('POST', '/v1/me/totp', { token: access, json: { password: 'not this one at all' } })).status, 401)
  const begun = await on.call('POST', '/v1/me/totp', { token: access, json: { password: PASSWORD } })
  assert.match(String(begun.body['uri']), /^otpauth:\/\/totp\/Bramble:begin%40example\.org\?secret=/)
  const wrong = await on.call('POST', '/v1/me/totp/confirm', { token: access, json: { totp: '000000' } })
  assert.equal([wrong.status, wrong.body['code']], [422, 'wrong_second_factor'])
  await on.logIn('begin@example.org')
})

test('with a second factor the password alone logs nobody in, and a code is good once', async () => {
  const on = await stage.on()
  const { secret } = await withTotp(on, 'totp@example.org')
  const login = (more: Record<string, string>) => on.call('POST', '/v1/login', { json: { email: 'totp@example.org', password: PASSWORD, ...more } })
  const without = await login({})
  assert.equal([without.status, without.body['code']], [401, 'second_factor_required'])
  assert.equal([(await login({ totp: '000000' })).body['code']], ['wrong_second_factor'])
  const totp = codeOf(secret)
  assert.is((await login({ totp })).status, 200)
  assert.equal([(await login({ totp })).body['code']], ['wrong_second_factor'])
})

test('of many who send the same code at the same time one is logged in', async () => {
  const on = await stage.on()
  const { secret } = await withTotp(on, 'same@example.org')
  const totp = codeOf(secret)
  const replies = await Promise.all([1, 2, 3, 4].map(() => on.call('POST', '/v1/login', { json: { email: 'same@example.org', password: PASSWORD, totp } })))
  assert.is(replies.filter(({ status }) => status === 200).length, 1)
})

test('a recovery code stands in for the phone, once, and is kept as a MAC only', async () => {
  const on = await stage.on()
  const { codes: [first = '', second = ''] } = await withTotp(on, 'recover@example.org')
  const login = (recovery_code: string) => on.call('POST', '/v1/login', { json: { email: 'recover@example.org', password: PASSWORD, recovery_code } })
  assert.is((await login(first.toLowerCase().replaceAll('-', ' '))).status, 200)
  assert.is((await login(first)).status, 401)
  assert.is((await login('AAAA-AAAA-AAAA-AAAA')).status, 401)
  assert.is((await login(second)).status, 200)
  const macs = (await on.rows('SELECT mac FROM recovery_codes')).flat().map(String)
  assert.ok(macs.length >= 8)
  assert.not.ok(macs.some((mac) => mac.includes(second)))
})

test('new recovery codes void the old ones', async () => {
  const on = await stage.on()
  const { access, codes: [first = '', second = ''] } = await withTotp(on, 'renew@example.org')
  const renewed = await on.call('POST', '/v1/me/recovery-codes', { token: access, json: { password: PASSWORD, recovery_code: first } })
  assert.is(listIn(renewed.body['recovery_codes']).length, 10)
  assert.is((await on.call('POST', '/v1/login', { json: { email: 'renew@example.org', password: PASSWORD, recovery_code: second } })).status, 401)
})

test('the second factor is asked for wherever the account is at stake, a reset password included', async () => {
  const on = await stage.on()
  const { access, secret, codes } = await withTotp(on, 'stake@example.org')
  const needs = async (path: string, more: Record<string, string> = {}) =>
    (await on.call('POST', path, { token: access, json: { password: PASSWORD, ...more } })).body['code']
  assert.equal([
    await needs('/v1/me/delete'), await needs('/v1/me/totp/disable'), await needs('/v1/me/recovery-codes'),
    await needs('/v1/me/password', { new_password: 'a loom of nine thousand cards' }),
  ], Array.from({ length: 4 }, () => 'second_factor_required'))

  await on.call('POST', '/v1/password/forgot', { json: { email: 'stake@example.org' } })
  const new_password = 'a loom of nine thousand cards'
  assert.is((await on.call('POST', '/v1/password/reset', { json: { token: await on.code('stake@example.org'), new_password } })).status, 204)
  const login = await on.call('POST', '/v1/login', { json: { email: 'stake@example.org', password: new_password } })
  assert.is(login.body['code'], 'second_factor_required')
  const { access: again } = await on.logIn('stake@example.org', new_password, { totp: codeOf(secret) })
  const disabled = await on.call('POST', '/v1/me/totp/disable', { token: again, json: { password: new_password, recovery_code: codes[0] } })
  assert.is(disabled.status, 204)
  await on.logIn('stake@example.org', new_password)
})

test('an admin takes a lost second factor away, and all sessions with it', async () => {
  const on = await stage.on()
  const { access } = await withTotp(on, 'lost@example.org')
  const me = String((await on.call('GET', '/v1/me', { token: access })).body['id'])
  assert.is((await on.call('DELETE', `/v1/users/${me}/totp`, { token: await on.admin() })).status, 204)
  assert.is((await on.call('GET', '/v1/me', { token: access })).status, 401)
  await on.logIn('lost@example.org')
})

test('the secret of the app lies in the database sealed', async () => {
  const on = await stage.on()
  const sealed = (await on.rows('SELECT totp_secret FROM users WHERE totp_secret IS NOT NULL')).flat().map(String)
  assert.ok(sealed.length >= 5)
  assert.ok(sealed.every((text) => /^v1\.[\w-]{60,}$/.test(text)))
})

stage.end()

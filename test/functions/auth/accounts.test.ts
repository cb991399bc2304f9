import * as assert from 'uvu/assert'
import { cases, test } from '../../kit.ts'
import { listIn, PASSWORD, recordIn, type Reply, stageForFile } from './stage.ts'

const stage = stageForFile()
const NEW_PASSWORD = 'a loom of nine thousand cards'

test('an account is registered, verified with the code of its letter, logged in and logged out', async () => {
  const { call, code, logIn } = await stage.on()
  const registered = await call('POST', '/v1/register', { json: { email: 'ada@example.org', password: PASSWORD, name: 'Ada' } })
  assert.is(registered.status, 202)
  const early = await call('POST', '/v1/login', { json: { email: 'ada@example.org', password: PASSWORD } })
  assert.equal([early.status, early.body['code']], [403, 'email_not_verified'])
  const verified = await call('POST', '/v1/verify-email', { json: { token: await code('ada@example.org'), password: PASSWORD } })
  assert.is(verified.status, 200)
  assert.is(verified.headers.get('cache-control'), 'no-store')

  const { access, refresh } = await logIn('Ada@Example.org ')
  const me = await call('GET', '/v1/me', { token: access })
  assert.equal([me.body['email'], me.body['name'], me.body['email_verified'], me.body['roles']], ['ada@example.org', 'Ada', true, []])
  assert.is((await call('POST', '/v1/logout', { json: { refresh_token: refresh } })).status, 204)
  // The access token would be good for a quarter of an hour; here its session is asked for.
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  assert.is((await call('POST', '/v1/refresh', { json: { refresh_token: refresh } })).status, 401)
  assert.is((await call('POST', '/v1/logout', { json: { refresh_token: refresh } })).status, 204)
})

test('a code is good once', async () => {
  const { call, code } = await stage.on()
  await call('POST', '/v1/register', { json: { email: 'once@example.org', password: PASSWORD } })
  const token = await code('once@example.org')
  const both = await Promise.all([1, 2].map(() => call('POST', '/v1/verify-email', { json: { token, password: PASSWORD } })))
  assert.equal(both.map(({ status }) => status).sort(), [200, 422])
})

test('registering an address that has an account is answered as any other, and only its mailbox learns of it', async () => {
  const { call, person, letter, code } = await stage.on()
  await person('known@example.org')
  const known = await call('POST', '/v1/register', { json: { email: 'known@example.org', password: NEW_PASSWORD } })
  const fresh = await call('POST', '/v1/register', { json: { email: 'fresh@example.org', password: NEW_PASSWORD } })
  assert.equal(told(known), told(fresh))
  assert.match(await letter('known@example.org'), /has an account already/)
  assert.ok(await code('fresh@example.org'))
  // And the account is as it was.
  assert.is((await call('POST', '/v1/login', { json: { email: 'known@example.org', password: NEW_PASSWORD } })).status, 401)
  assert.is((await call('POST', '/v1/login', { json: { email: 'known@example.org', password: PASSWORD } })).status, 200)
})

test('nobody can have a stranger\'s mailbox verify a password of theirs', async () => {
  const { call, code } = await stage.on()
  await call('POST', '/v1/register', { json: { email: 'victim@example.org', password: PASSWORD } })
  const first = await code('victim@example.org')
  await call('POST', '/v1/register', { json: { email: 'victim@example.org', password: 'the password of the attacker' } })
  const second = await code('victim@example.org')
  // Whichever code the victim takes, with their own password it opens nothing of the attacker's.
  assert.is((await call('POST', '/v1/verify-email', { json: { token: first, password: PASSWORD } })).status, 422)
  assert.is((await call('POST', '/v1/verify-email', { json: { token: second, password: PASSWORD } })).status, 401)
  assert.is((await call('POST', '/v1/login', { json: { email: 'victim@example.org', password: 'the password of the attacker' } })).status, 403)
})

test('a forgotten password is answered the same for every address, and a letter goes to those that have an account', async () => {
  const { call, person, code, logs } = await stage.on()
  await person('forgot@example.org')
  const nobody = await call('POST', '/v1/password/forgot', { json: { email: 'nobody@example.org' } })
  const somebody = await call('POST', '/v1/password/forgot', { json: { email: 'forgot@example.org' } })
  assert.equal(told(nobody), told(somebody))
  assert.ok(await code('forgot@example.org'))
  assert.not.ok(logs().some(({ to }) => to === 'nobody@example.org'))
})

test('a reset password ends all sessions, its code is good once, and a letter tells of it', async () => {
  const { call, person, code, letter, logIn } = await stage.on()
  const { access, refresh } = await person('reset@example.org')
  await call('POST', '/v1/password/forgot', { json: { email: 'reset@example.org' } })
  const token = await code('reset@example.org')
  const weak = await call('POST', '/v1/password/reset', { json: { token, new_password: 'short' } })
  assert.equal([weak.status, weak.body['code']], [422, 'weak_password'])
  assert.is((await call('POST', '/v1/password/reset', { json: { token, new_password: NEW_PASSWORD } })).status, 204)
  assert.is((await call('POST', '/v1/password/reset', { json: { token, new_password: PASSWORD } })).status, 422)
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  assert.is((await call('POST', '/v1/refresh', { json: { refresh_token: refresh } })).status, 401)
  assert.match(await letter('reset@example.org'), /was changed just now/)
  await logIn('reset@example.org', NEW_PASSWORD)
  assert.is((await call('POST', '/v1/login', { json: { email: 'reset@example.org', password: PASSWORD } })).status, 401)
})

test('a changed password needs the old one, and ends all other sessions', async () => {
  const { call, person, logIn } = await stage.on()
  const first = await person('change@example.org')
  const second = await logIn('change@example.org')
  const wrong = await call('POST', '/v1/me/password', { token: second.access, json: { password: 'not this one at all', new_password: NEW_PASSWORD } })
  assert.equal([wrong.status, wrong.body['code']], [401, 'wrong_credentials'])
  const right = await call('POST', '/v1/me/password', { token: second.access, json: { password: PASSWORD, new_password: NEW_PASSWORD } })
  assert.is(right.status, 204)
  assert.is((await call('GET', '/v1/me', { token: first.access })).status, 401)
  assert.is((await call('GET', '/v1/me', { token: second.access })).status, 200)
  await logIn('change@example.org', NEW_PASSWORD)
})

test('a hash of older parameters is renewed at the next login', async () => {
  const { rows, person, logIn, restart } = await stage.on()
  await person('rehash@example.org')
  const parameters = async () => String((await rows("SELECT password_hash FROM users WHERE email = 'rehash@example.org'"))[0]?.[0]).split('$')[3]
  assert.is(await parameters(), 'm=7168,t=1,p=1')
  await restart('SIGTERM', { argon2_passes: '2' })
  await logIn('rehash@example.org')
  assert.is(await parameters(), 'm=7168,t=2,p=1')
  await restart('SIGTERM')
})

test('the export has everything about a person, and no secret', async () => {
  const { call, person, rows } = await stage.on()
  const { access, session } = await person('export@example.org')
  const created = await call('POST', '/v1/me/api-keys', { token: access, json: { name: 'backup' } })
  const { body, text, headers } = await call('GET', '/v1/me/export', { token: access })
  assert.match(headers.get('content-disposition') ?? '', /^attachment/)
  assert.is(recordIn(body['account'])['email'], 'export@example.org')
  assert.equal(listIn(body['sessions']).map((one) => recordIn(one)['id']), [session])
  assert.equal(listIn(body['api_keys']).map((one) => recordIn(one)['name']), ['backup'])
  assert.equal(listIn(body['events']).map((one) => recordIn(one)['event']), ['api_key.created', 'account.verified', 'account.registered'])
  const [secrets = []] = await rows(`SELECT password_hash, salt, secret_hash FROM users JOIN sessions ON sessions.user_id = users.id
    JOIN api_keys ON api_keys.user_id = users.id WHERE email = 'export@example.org'`)
  assert.is(secrets.length, 3)
  for (const secret of [...secrets, String(created.body['key']).split('.')[1]]) assert.not.ok(text.includes(String(secret)))
})

test('a deleted account is gone with all it had, and its address is free', async () => {
  const { call, person, rows } = await stage.on()
  const { access, refresh } = await person('gone@example.org')
  const me = String((await call('GET', '/v1/me', { token: access })).body['id'])
  await call('POST', '/v1/me/api-keys', { token: access, json: { name: 'backup' } })
  assert.is((await call('POST', '/v1/me/delete', { token: access, json: { password: 'not this one at all' } })).status, 401)
  assert.is((await call('POST', '/v1/me/delete', { token: access, json: { password: PASSWORD } })).status, 204)
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  assert.is((await call('POST', '/v1/refresh', { json: { refresh_token: refresh } })).status, 401)
  assert.is((await call('POST', '/v1/login', { json: { email: 'gone@example.org', password: PASSWORD } })).status, 401)
  for (const table of ['sessions', 'api_keys', 'mail_tokens', 'recovery_codes', 'codes']) {
    assert.equal(await rows(`SELECT count(*) FROM ${table} WHERE user_id = '${me}'`), [[0]])
  }
  await person('gone@example.org')
})

test('a name is changed only where nobody changed it meanwhile', async () => {
  const { call, person } = await stage.on()
  const { access: token } = await person('name@example.org')
  const etag = (await call('GET', '/v1/me', { token })).headers.get('etag') ?? ''
  const changed = await call('PATCH', '/v1/me', { token, json: { name: 'Countess' }, headers: { 'if-match': etag } })
  assert.equal([changed.status, changed.body['name']], [200, 'Countess'])
  const stale = await call('PATCH', '/v1/me', { token, json: { name: 'Enchantress' }, headers: { 'if-match': etag } })
  assert.equal([stale.status, stale.body['code']], [412, 'precondition_failed'])
})

cases('input is refused, with the field that is wrong:', [
  { name: 'no address', json: { password: PASSWORD }, path: '/email' },
  { name: 'a bad address', json: { email: 'ada', password: PASSWORD }, path: '/email' },
  { name: 'an address with a line break, which could add headers to a letter', json: { email: 'ada@example.org\r\nBcc: eve@example.org', password: PASSWORD }, path: '/email' },
  { name: 'a name that steers terminals', json: { email: 'ada@example.org', password: PASSWORD, name: '\u001b[2J' }, path: '/name' },
  { name: 'a weak password', json: { email: 'ada@example.org', password: 'aaaaaaaaaaaaaa' }, path: '/password', wanted: 422 },
  { name: 'a password too long to hash', json: { email: 'ada@example.org', password: 'ab'.repeat(200) }, path: '/password' },
  { name: 'roles, which nobody gives themselves', json: { email: 'ada@example.org', password: PASSWORD, roles: ['admin'] }, path: '' },
], async ({ json, path, wanted = 400 }) => {
  const { call } = await stage.on()
  const { status, body, headers } = await call('POST', '/v1/register', { json })
  assert.is(status, wanted)
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(listIn(body['errors']).map((error) => recordIn(error)['path']), [path])
})

cases('without a token there is no', [
  { name: 'account', method: 'GET', path: '/v1/me' }, { name: 'export', method: 'GET', path: '/v1/me/export' },
  { name: 'list of sessions', method: 'GET', path: '/v1/me/sessions' }, { name: 'list of accounts', method: 'GET', path: '/v1/users' },
  { name: 'log of events', method: 'GET', path: '/v1/audit' }, { name: 'new client', method: 'POST', path: '/v1/clients' },
  { name: 'userinfo', method: 'GET', path: '/oauth/userinfo' },
], async ({ method, path }) => {
  const { call } = await stage.on()
  const { status, headers } = await call(method, path)
  assert.is(status, 401)
  assert.match(headers.get('www-authenticate') ?? '', /^Bearer/)
})

stage.end()

/** All that a caller can tell apart. */
function told({ status, text, headers }: Reply): unknown {
  return [status, text, [...headers].filter(([name]) => !['date', 'x-duration-seconds', 'x-call-id'].includes(name))]
}

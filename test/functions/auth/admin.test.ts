import * as assert from 'uvu/assert'
import { test } from '../../kit.ts'
import { ADMIN, listIn, PASSWORD, recordIn, stageForFile } from './stage.ts'

const stage = stageForFile()

test('the first admin comes from the secret, a changed password stays changed, and a changed secret counts again', async () => {
  const { call, adminPassword, logIn, restart, setSecret } = await stage.on()
  const { access } = await logIn(ADMIN, adminPassword)
  assert.equal((await call('GET', '/v1/me', { token: access })).body['roles'], ['admin'])
  assert.is((await call('POST', '/v1/me/password', { token: access, json: { password: adminPassword, new_password: PASSWORD } })).status, 204)
  await restart()
  assert.is((await call('POST', '/v1/login', { json: { email: ADMIN, password: adminPassword } })).status, 401)
  const changed = await logIn(ADMIN, PASSWORD)

  await setSecret('auth-admin-password', 'the operator lost the other one')
  await restart()
  await logIn(ADMIN, 'the operator lost the other one')
  assert.is((await call('GET', '/v1/me', { token: changed.access })).status, 401)
  assert.is((await call('POST', '/v1/login', { json: { email: ADMIN, password: PASSWORD } })).status, 401)
  await setSecret('auth-admin-password', adminPassword)
  await restart()
})

test('the admin API is for admins and services, and for nobody else', async () => {
  const { call, person, admin, serviceToken } = await stage.on()
  const { access } = await person('plain@example.org')
  assert.equal([
    (await call('GET', '/v1/users', { token: access })).status,
    (await call('GET', '/v1/users', { token: 'a-token-of-nobody-at-all' })).status,
    (await call('GET', '/v1/users', { token: await admin() })).status,
    (await call('GET', '/v1/users', { token: serviceToken })).status,
  ], [403, 401, 200, 200])
  // The service token is nobody's account.
  assert.is((await call('GET', '/v1/me', { token: serviceToken })).status, 401)
})

test('an account made by an admin has roles in its tokens, from the next token on', async () => {
  const { call, admin, logIn } = await stage.on()
  const token = await admin()
  const created = await call('POST', '/v1/users', { token, json: { email: 'made@example.org', name: 'Made', roles: ['editor'], password: PASSWORD } })
  assert.equal([created.status, created.body['roles'], created.body['email_verified']], [201, ['editor'], true])
  const rolesOf = async () => claims((await logIn('made@example.org')).access)['roles']
  assert.equal(await rolesOf(), ['editor'])
  await call('PATCH', `/v1/users/${String(created.body['id'])}`, { token, json: { roles: ['editor', 'ops'] } })
  assert.equal(await rolesOf(), ['editor', 'ops'])
  const twice = await call('POST', '/v1/users', { token, json: { email: 'Made@example.org', password: PASSWORD } })
  assert.equal([twice.status, twice.body['code']], [409, 'email_taken'])
})

test('a call sent again with its key makes one account, and another call with the key is refused', async () => {
  const { call, admin } = await stage.on()
  const token = await admin()
  const send = (email: string) => call('POST', '/v1/users', { token, json: { email }, headers: { 'idempotency-key': 'once-and-for-all' } })
  const first = await send('idempotent@example.org')
  const again = await send('idempotent@example.org')
  assert.equal([first.status, again.status, again.headers.get('idempotency-replayed')], [201, 201, 'true'])
  assert.equal(again.body, first.body)
  assert.is((await send('another@example.org')).status, 422)
  const keys = (name: string) => call('POST', '/v1/me/api-keys', { token, json: { name }, headers: { 'idempotency-key': 'a-key' } })
  const [one, two] = [await keys('ci'), await keys('ci')]
  assert.is(two.body['key'], one.body['key'])
  assert.is(listIn((await call('GET', '/v1/me/api-keys', { token })).body['items']).length, 1)
})

test('a disabled account is out at once, everywhere, and back when it is enabled', async () => {
  const { call, admin, person, logIn } = await stage.on()
  const token = await admin()
  const { access, refresh } = await person('disabled@example.org')
  const id = String((await call('GET', '/v1/me', { token: access })).body['id'])
  assert.is((await call('PATCH', `/v1/users/${id}`, { token, json: { disabled: true } })).status, 200)
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  assert.is((await call('POST', '/v1/refresh', { json: { refresh_token: refresh } })).status, 401)
  const login = await call('POST', '/v1/login', { json: { email: 'disabled@example.org', password: PASSWORD } })
  assert.equal([login.status, login.body['code']], [403, 'account_disabled'])
  await call('PATCH', `/v1/users/${id}`, { token, json: { disabled: false } })
  await logIn('disabled@example.org')
})

test('two admins who change the same account at once do not undo each other', async () => {
  const { call, admin, person } = await stage.on()
  const token = await admin()
  const { access } = await person('both@example.org')
  const id = String((await call('GET', '/v1/me', { token: access })).body['id'])
  const etag = (await call('GET', `/v1/users/${id}`, { token })).headers.get('etag') ?? ''
  const replies = await Promise.all(['ops', 'editor'].map((role) =>
    call('PATCH', `/v1/users/${id}`, { token, json: { roles: [role] }, headers: { 'if-match': etag } })))
  const statuses = replies.map(({ status }) => status).sort()
  assert.is(statuses[0], 200)
  assert.ok(statuses[1] === 412 || statuses[1] === 409)
})

test('the last admin stays one', async () => {
  const { call, admin } = await stage.on()
  const token = await admin()
  const id = String((await call('GET', '/v1/me', { token })).body['id'])
  const attempts = [
    await call('PATCH', `/v1/users/${id}`, { token, json: { roles: [] } }),
    await call('PATCH', `/v1/users/${id}`, { token, json: { disabled: true } }),
    await call('DELETE', `/v1/users/${id}`, { token }),
  ]
  assert.equal(attempts.map(({ status, body }) => [status, body['code']]), Array.from({ length: 3 }, () => [409, 'last_admin']))
})

test('an account is deleted, and signed out everywhere', async () => {
  const { call, admin, person } = await stage.on()
  const token = await admin()
  const { access } = await person('signout@example.org')
  const id = String((await call('GET', '/v1/me', { token: access })).body['id'])
  assert.is((await call('DELETE', `/v1/users/${id}/sessions`, { token })).status, 204)
  assert.is((await call('GET', '/v1/me', { token: access })).status, 401)
  assert.is((await call('DELETE', `/v1/users/${id}`, { token })).status, 204)
  assert.is((await call('GET', `/v1/users/${id}`, { token })).status, 404)
})

test('accounts and events are read page by page', async () => {
  const { call, admin } = await stage.on()
  const token = await admin()
  for (const path of ['/v1/users', '/v1/audit']) {
    const all = listIn((await call('GET', `${path}?limit=200`, { token })).body['items']).map((item) => recordIn(item)['id'])
    const paged: unknown[] = []
    let cursor: unknown
    do {
      const page = await call('GET', `${path}?limit=3${cursor === undefined ? '' : `&cursor=${String(cursor)}`}`, { token })
      paged.push(...listIn(page.body['items']).map((item) => recordIn(item)['id']))
      cursor = page.body['next_cursor']
    } while (cursor !== undefined && paged.length < 500)
    assert.ok(all.length > 5)
    // Asking for pages is no event itself.
    assert.equal(paged, all)
  }
  const bad = await call('GET', '/v1/users?cursor=bm9uc2Vuc2U', { token })
  assert.is(bad.status, 422)
})

test('the log of events says who did what', async () => {
  const { call, admin } = await stage.on()
  const token = await admin()
  const items = listIn((await call('GET', '/v1/audit?limit=200', { token })).body['items']).map(recordIn)
  const events = new Set(items.map(({ event }) => event))
  for (const event of ['admin.set', 'account.created', 'account.changed', 'account.deleted', 'password.changed', 'session.all_ended', 'login.succeeded', 'signing_key.created']) {
    assert.ok(events.has(event), event)
  }
  const changed = items.find(({ event }) => event === 'account.changed')
  assert.match(String(recordIn(changed?.['detail'])['by']), /^usr_/)
  assert.match(String(changed?.['call_id']), /./)
})

stage.end()

function claims(token: string): Record<string, unknown> {
  return recordIn(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()))
}

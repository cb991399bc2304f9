import * as assert from 'uvu/assert'
import { eventually, test } from '../../kit.ts'
import { listIn, PASSWORD, recordIn, type Stage, stageForFile } from './stage.ts'

/** No second chance for a spent token, but where a test asks for it. */
const strict = stageForFile({ refresh_grace: '0s' })
const GRACE = { refresh_grace: '60s' }

const refresh = ({ call }: Stage, token: string) => call('POST', '/v1/refresh', { json: { refresh_token: token } })
const eventsOf = async ({ rows }: Stage, session: string) =>
  (await rows(`SELECT event FROM audit WHERE json_extract(detail, '$.session') = '${session}'`)).map(([event]) => event)

test('a refresh token rotates, and each new one works', async () => {
  const on = await strict.on()
  let { refresh: token } = await on.person('rotate@example.org')
  const seen = new Set([token])
  for (let i = 0; i < 5; i++) {
    const { status, body } = await refresh(on, token)
    assert.is(status, 200)
    assert.is((await on.call('GET', '/v1/me', { token: String(body['access_token']) })).status, 200)
    token = String(body['refresh_token'])
    seen.add(token)
  }
  assert.is(seen.size, 6)
})

test('a refresh token that comes again ends its session for both who have it, and the event is in the log', async () => {
  const on = await strict.on()
  const { refresh: stolen, access, session } = await on.person('stolen@example.org')
  const owner = await refresh(on, stolen)
  const thief = await refresh(on, stolen)
  assert.equal([thief.status, thief.body['code']], [401, 'invalid_refresh_token'])
  assert.is((await refresh(on, String(owner.body['refresh_token']))).status, 401)
  assert.is((await on.call('GET', '/v1/me', { token: access })).status, 401)
  assert.equal(await eventsOf(on, session), ['session.reuse_detected'])
})

test('a very old token of the family ends it too', async () => {
  const on = await strict.on()
  const { refresh: first } = await on.person('old@example.org')
  let token = first
  for (let i = 0; i < 4; i++) token = String((await refresh(on, token)).body['refresh_token'])
  assert.is((await refresh(on, first)).status, 401)
  assert.is((await refresh(on, token)).status, 401)
})

test('of two who refresh at the same time one gets tokens', async () => {
  const on = await strict.on()
  const { refresh: token } = await on.person('race@example.org')
  const replies = await Promise.all([1, 2, 3, 4].map(() => refresh(on, token)))
  assert.is(replies.filter(({ status }) => status === 200).length, 1)
})

test('a made-up token ends nobody\'s session', async () => {
  const on = await strict.on()
  const { refresh: token, session } = await on.person('forged@example.org')
  const second = await refresh(on, token)
  const forged = `bmr_${session}.1.${'A'.repeat(43)}`
  assert.is((await refresh(on, forged)).status, 401)
  assert.is((await refresh(on, String(second.body['refresh_token']))).status, 200)
})

test('the database holds nothing of a refresh token', async () => {
  const on = await strict.on()
  const { refresh: token, session } = await on.person('hidden@example.org')
  const [row = []] = await on.rows(`SELECT * FROM sessions WHERE id = '${session}'`)
  assert.ok(row.length > 10)
  const mac = token.split('.')[2] ?? ''
  assert.is(mac.length, 43)
  assert.not.ok(row.some((value) => String(value).includes(mac)))
})

test('sessions are listed and ended one by one, and nobody ends another\'s', async () => {
  const on = await strict.on()
  const { call } = on
  const mine = await on.person('list@example.org')
  const other = await on.logIn('list@example.org')
  const third = await on.logIn('list@example.org')
  const stranger = await on.person('stranger@example.org')
  const items = listIn((await call('GET', '/v1/me/sessions', { token: mine.access })).body['items']).map(recordIn)
  assert.equal(new Set(items.map(({ id }) => id)), new Set([mine.session, other.session, third.session]))
  assert.equal(items.filter(({ current }) => current).map(({ id }) => id), [mine.session])
  assert.is((await call('DELETE', `/v1/me/sessions/${other.session}`, { token: stranger.access })).status, 404)
  assert.is((await call('DELETE', `/v1/me/sessions/${other.session}`, { token: mine.access })).status, 204)
  assert.equal(await Promise.all([mine, other, third].map(async ({ access }) => (await call('GET', '/v1/me', { token: access })).status)), [200, 401, 200])
  assert.is((await call('DELETE', '/v1/me/sessions', { token: mine.access })).status, 204)
  assert.equal(await Promise.all([mine, other, third].map(async ({ access }) => (await call('GET', '/v1/me', { token: access })).status)), [200, 401, 401])
  assert.is((await refresh(on, third.refresh)).status, 401)
})

test('sessions and tokens outlive a killed replica', async () => {
  const on = await strict.on()
  const { access, refresh: token } = await on.person('killed@example.org')
  await on.restart('SIGKILL')
  assert.is((await on.call('GET', '/v1/me', { token: access })).status, 200)
  assert.is((await refresh(on, token)).status, 200)
})

test('an answer that got lost can be asked for again within the grace, brings the same next token, and the one before it never works', async () => {
  const on = await strict.on()
  await on.restart('SIGTERM', GRACE)
  const { refresh: token, session } = await on.person('lost@example.org')
  const first = await refresh(on, token)
  const again = await refresh(on, token)
  assert.equal([first.status, again.status], [200, 200])
  assert.is(again.body['refresh_token'], first.body['refresh_token'])
  const third = await refresh(on, String(first.body['refresh_token']))
  assert.is(third.status, 200)
  assert.is((await refresh(on, token)).status, 401)
  assert.is((await refresh(on, String(third.body['refresh_token']))).status, 401)
  assert.equal(await eventsOf(on, session), ['session.reuse_detected'])
  await on.restart('SIGTERM')
})

test('a session is over when it was idle for too long, or is too old', async () => {
  const on = await strict.on()
  await on.restart('SIGTERM', { session_idle: '1s' })
  const { refresh: idle } = await on.person('idle@example.org')
  await on.restart('SIGTERM', { session_max: '1s' })
  const { refresh: old } = await on.logIn('idle@example.org')
  await on.restart('SIGTERM')
  await eventually('both are over', async () => {
    const [row] = await on.rows(`SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = 'idle@example.org'
      AND min(expires_at, idle_expires_at) > unixepoch('subsec') * 1000`)
    return row?.[0] === 0
  })
  assert.equal([(await refresh(on, idle)).status, (await refresh(on, old)).status], [401, 401])
  // A new replica tidies up with its first call.
  await on.restart('SIGTERM')
  await eventually('their rows are gone', async () => {
    await on.call('GET', '/healthz')
    return (await on.rows('SELECT id FROM sessions WHERE min(expires_at, idle_expires_at) <= unixepoch() * 1000')).length === 0
  })
})

test('a person has at most fifty sessions: the oldest end', async () => {
  const on = await strict.on()
  const { access } = await on.person('many@example.org')
  for (let i = 0; i < 52; i++) {
    // A login that is right is never held back.
    assert.is((await on.call('POST', '/v1/login', { json: { email: 'many@example.org', password: PASSWORD } })).status, 200)
  }
  assert.equal(await on.rows("SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = 'many@example.org'"), [[50]])
  assert.is((await on.call('GET', '/v1/me', { token: access })).status, 401)
})

strict.end()

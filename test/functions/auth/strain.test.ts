/** A hundred at once, callers who measure time, and replicas that are killed. */
import * as assert from 'uvu/assert'
import { eventually, test } from '../../kit.ts'
import { PASSWORD, type Stage, stageForFile, startStage } from './stage.ts'

/** The real Argon2; a short queue, so that a hundred are too many. */
const REAL_HASHES = { argon2_memory_kib: '12288', argon2_passes: '3' }
const stage = stageForFile({ ...REAL_HASHES, hash_queue: '5', refresh_grace: '60s' })

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
const timed = async (body: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now()
  await body()
  return performance.now() - startedAt
}
/** What a client waits before it tries again. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))
/** From an address of its own: these tests are not about the back-off. */
const login = ({ call }: Stage, email: string, password: string, i: number) =>
  call('POST', '/v1/login', { json: { email, password }, headers: { 'x-forwarded-for': `198.51.100.${i}` } })

test('of a hundred logins at once some are told to come again, health answers meanwhile, and then all is as before', async () => {
  const on = await stage.on()
  await on.person('calm@example.org')
  const all = Promise.all(Array.from({ length: 100 }, (_, i) => login(on, `storm-${i}@example.org`, 'not this one at all', i)))
  assert.is((await on.call('GET', '/healthz')).status, 200)
  const replies = await all
  const busy = replies.filter(({ status }) => status === 429)
  assert.ok(busy.length > 0, 'nobody was told to come again')
  assert.ok(busy.every(({ body, headers }) => body['code'] === 'busy' && headers.get('retry-after') === '5'))
  assert.ok(replies.every(({ status }) => status === 401 || status === 429))
  assert.is((await login(on, 'calm@example.org', PASSWORD, 200)).status, 200)

  const metrics = await on.metrics()
  const valueOf = (name: string) => Number(metrics.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1])
  assert.is(valueOf('bramble_auth_password_hashes_refused_total'), busy.length)
  assert.is(valueOf('bramble_auth_events_total{event="login.failed"}'), replies.length - busy.length)
  assert.equal([valueOf('bramble_auth_password_hashes_running'), valueOf('bramble_auth_password_hashes_waiting')], [0, 0])
})

/** The hash must be most of a call on a busy machine too, or a missing one would not show. */
const SLOW_HASHES = { argon2_memory_kib: '12288', argon2_passes: '15' }
const SAMPLES = 7

test('a login takes as long for an account that is not there as for a wrong password', async () => {
  const on = await stage.on()
  await on.restart('SIGTERM', SLOW_HASHES)
  for (let i = 0; i < SAMPLES; i++) {
    await on.call('POST', '/v1/users', { token: on.serviceToken, json: { email: `known-${i}@example.org`, password: PASSWORD } })
  }
  const known: number[] = []
  const unknown: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    known.push(await timed(() => login(on, `known-${i}@example.org`, 'not this one at all', 10 + i)))
    unknown.push(await timed(() => login(on, `unknown-${i}@example.org`, 'not this one at all', 110 + i)))
  }
  const ratio = median(unknown) / median(known)
  assert.ok(ratio > 0.5 && ratio < 2, `unknown ${median(unknown).toFixed(1)} ms, known ${median(known).toFixed(1)} ms`)
})

test('a registration takes as long for an address that has an account', async () => {
  const on = await stage.on()
  const known: number[] = []
  const unknown: number[] = []
  const register = (email: string, i: number) => on.call('POST', '/v1/register', {
    json: { email, password: PASSWORD }, headers: { 'x-forwarded-for': `203.0.113.${i}` },
  })
  for (let i = 0; i < SAMPLES; i++) {
    known.push(await timed(() => register(`known-${i}@example.org`, i)))
    unknown.push(await timed(() => register(`new-${i}@example.org`, 100 + i)))
  }
  const ratio = median(unknown) / median(known)
  assert.ok(ratio > 0.5 && ratio < 2, `new ${median(unknown).toFixed(1)} ms, known ${median(known).toFixed(1)} ms`)
})

test('replicas are killed while people refresh and register: nobody is logged out, and what was accepted is there', async () => {
  const on = await stage.on()
  await on.restart('SIGTERM')
  const people = await Promise.all([0, 1, 2].map((i) => on.person(`kill-${i}@example.org`)))
  const accepted: string[] = []
  let isOver = false
  let refreshes = 0

  /** As a client does it: after a broken connection once more with the same token. */
  const keepLoggedIn = async (token: string): Promise<string> => {
    while (!isOver) {
      const reply = await on.call('POST', '/v1/refresh', { json: { refresh_token: token } }).catch(() => undefined)
      if (reply === undefined || reply.status === 503) {
        await pause()
        continue
      }
      if (reply.status !== 200) throw new Error(`logged out: ${reply.status} ${reply.text}`)
      token = String(reply.body['refresh_token'])
      refreshes++
    }
    return token
  }
  const keepRegistering = async (): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const email = `while-${i}@example.org`
      const reply = await on.call('POST', '/v1/register', { json: { email, password: PASSWORD }, headers: { 'x-forwarded-for': `192.0.2.${i % 250}` } }).catch(() => undefined)
      if (reply?.status === 202) accepted.push(email)
      else await pause()
    }
  }
  const someRefreshes = async (): Promise<void> => {
    const before = refreshes
    await eventually('some refreshes', () => refreshes >= before + 10)
  }
  const kill = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await someRefreshes()
      await on.restart('SIGKILL')
    }
    await someRefreshes()
    isOver = true
  }
  const [, , ...tokens] = await Promise.all([kill(), keepRegistering(), ...people.map(({ refresh }) => keepLoggedIn(refresh))])
  for (const token of tokens) assert.is((await on.call('POST', '/v1/refresh', { json: { refresh_token: token } })).status, 200)
  assert.ok(accepted.length > 0)
  const there = new Set((await on.rows("SELECT email FROM users WHERE email LIKE 'while-%'")).flat())
  assert.equal(accepted.filter((email) => !there.has(email)), [])
  // Each has its code, and each code its account: no transaction was cut in two.
  assert.equal(await on.rows(`SELECT count(*) FROM users WHERE email LIKE 'while-%' AND NOT EXISTS (SELECT 1 FROM mail_tokens WHERE user_id = users.id)`), [[0]])
  assert.equal(await on.rows('SELECT count(*) FROM mail_tokens WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = user_id)'), [[0]])
})

test('two replicas that begin at once on nothing have one admin and one key, and take each other\'s tokens', async () => {
  await using on = await startStage({ refresh_grace: '0s' })
  await using twin = await on.startTwin()
  await Promise.all(['/healthz', '/oauth/jwks', `${twin.url}/healthz`, `${twin.url}/oauth/jwks`].map((path) => on.call('GET', path)))
  assert.equal(await on.rows('SELECT count(*) FROM users'), [[1]])
  assert.equal(await on.rows('SELECT count(*) FROM signing_keys'), [[1]])
  const { access, refresh } = await on.person('twin@example.org')
  assert.is((await on.call('GET', `${twin.url}/v1/me`, { token: access })).status, 200)
  // Of one refresh token at both at once, one is spent.
  const replies = await Promise.all([on.url, twin.url, on.url, twin.url].map((url) => on.call('POST', `${url}/v1/refresh`, { json: { refresh_token: refresh } })))
  assert.is(replies.filter(({ status }) => status === 200).length, 1)
  // A key that one replica makes now is known to the other.
  await on.call('POST', '/v1/keys', { token: on.serviceToken, json: {} })
  const { access: again } = await on.logIn('twin@example.org')
  assert.is((await on.call('GET', `${twin.url}/v1/me`, { token: again })).status, 200)
})

stage.end()

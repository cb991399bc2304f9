import * as assert from 'uvu/assert'
import { test } from '../../kit.ts'
import { PASSWORD, type Reply, type Stage, stageForFile } from './stage.ts'

const stage = stageForFile()

/** Each test calls from an address of its own; the proxy that says so is the test. */
const from = (address: string) => ({ 'x-forwarded-for': address })
const guess = ({ call }: Stage, email: string, address: string, password = 'not this one at all') =>
  call('POST', '/v1/login', { json: { email, password }, headers: from(address) })

async function guessUntilBlocked(on: Stage, email: string, address: string): Promise<readonly Reply[]> {
  const replies: Reply[] = []
  while (replies.at(-1)?.status !== 429) {
    if (replies.length > 20) throw new Error('never blocked')
    replies.push(await guess(on, email, address))
  }
  return replies
}

test('after five wrong passwords the next try must wait, the right password too, and longer each time', async () => {
  const on = await stage.on()
  await on.person('guess@example.org')
  const replies = await guessUntilBlocked(on, 'guess@example.org', '192.0.2.1')
  assert.ok(replies.length >= 7, `${replies.length} tries`)
  const last = replies.at(-1)
  assert.is(last?.body['code'], 'too_many_attempts')
  assert.match(last?.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  await on.call('POST', `${on.dataUrl}/v1/db/auth/execute`, {
    token: on.serviceToken, json: { statements: [{ sql: "UPDATE attempts SET failures = failures + 6, blocked_until = 0 WHERE key LIKE 'login-account:%'" }] },
  })
  assert.is((await guess(on, 'guess@example.org', '192.0.2.1')).status, 401)
  const right = await guess(on, 'guess@example.org', '192.0.2.1', PASSWORD)
  assert.is(right.status, 429)
  assert.ok(Number(right.headers.get('retry-after')) > 30)
})

test('an account that is not there is held back in the same way', async () => {
  const on = await stage.on()
  await on.person('there@example.org')
  const there = await guessUntilBlocked(on, 'there@example.org', '192.0.2.2')
  const nobody = await guessUntilBlocked(on, 'not-there@example.org', '192.0.2.3')
  assert.is(nobody.length, there.length)
  assert.equal(nobody.map(({ status, body }) => [status, body['code']]), there.map(({ status, body }) => [status, body['code']]))
})

test('a hundred guesses at once are counted as a hundred, not as one', async () => {
  const on = await stage.on()
  await on.person('burst@example.org')
  const startedAt = Date.now()
  const replies = await Promise.all(Array.from({ length: 100 }, () => guess(on, 'burst@example.org', '192.0.2.4')))
  const tried = replies.filter(({ status }) => status === 401).length
  // Each further one has waited twice as long as the one before.
  const seconds = (Date.now() - startedAt) / 1000
  assert.ok(tried <= 6 + Math.log2(seconds + 1), `${tried} passwords were tried in ${seconds} s`)
})

test('a killed replica forgives nothing', async () => {
  const on = await stage.on()
  await on.person('restart@example.org')
  await guessUntilBlocked(on, 'restart@example.org', '192.0.2.5')
  await on.call('POST', `${on.dataUrl}/v1/db/auth/execute`, {
    token: on.serviceToken, json: { statements: [{ sql: 'UPDATE attempts SET blocked_until = blocked_until + 600000 WHERE blocked_until > 0' }] },
  })
  await on.restart('SIGKILL')
  assert.is((await guess(on, 'restart@example.org', '192.0.2.99', PASSWORD)).status, 429)
})

test('one password tried on many accounts holds the address back, and other addresses are served', async () => {
  const on = await stage.on()
  await on.person('bystander@example.org')
  let blocked: Reply | undefined
  for (let i = 0; i < 45 && blocked === undefined; i++) {
    const reply = await guess(on, `spray-${i}@example.org`, '2001:db8:0:1::1')
    if (reply.status === 429) blocked = reply
  }
  assert.ok(blocked)
  // Another address of the same network is the same caller.
  assert.is((await guess(on, 'bystander@example.org', '2001:db8:0:1:ffff::2', PASSWORD)).status, 429)
  assert.is((await guess(on, 'bystander@example.org', '2001:db8:0:2::1', PASSWORD)).status, 200)
})

test('an attacker with an account of their own does not clear what their address has collected', async () => {
  const on = await stage.on()
  await on.person('attacker@example.org')
  const address = '192.0.2.6'
  let statuses: number[] = []
  for (let i = 0; i < 45; i++) {
    statuses.push((await guess(on, `target-${i}@example.org`, address)).status)
    if (statuses.at(-1) === 429) break
    await guess(on, 'attacker@example.org', address, PASSWORD)
  }
  assert.ok(statuses.length < 45)
  assert.is(statuses.at(-1), 429)
})

test('a login that is right forgives the account what came before', async () => {
  const on = await stage.on()
  await on.person('typo@example.org')
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 4; i++) assert.is((await guess(on, 'typo@example.org', '192.0.2.7')).status, 401)
    assert.is((await guess(on, 'typo@example.org', '192.0.2.7', PASSWORD)).status, 200)
  }
})

test('nobody fills a mailbox: letters to one address are held back, whether it has an account or not', async () => {
  const on = await stage.on()
  const forget = async (email: string) => {
    for (let i = 0; i < 10; i++) {
      const { status } = await on.call('POST', '/v1/password/forgot', { json: { email }, headers: from(`198.51.100.${i}`) })
      if (status === 429) return i
    }
    return 'never'
  }
  await on.person('mailbox@example.org')
  await on.call('POST', `${on.dataUrl}/v1/db/auth/execute`, { token: on.serviceToken, json: { statements: [{ sql: 'DELETE FROM attempts' }] } })
  assert.equal([await forget('mailbox@example.org'), await forget('no-mailbox@example.org')], [4, 4])
})

test('the log of events has every failed login, with its address and without its password', async () => {
  const on = await stage.on()
  await on.person('audit@example.org')
  await guess(on, 'audit@example.org', '192.0.2.77', 'my secret mistake')
  const rows = await on.rows("SELECT event, address, user_agent, detail FROM audit WHERE address = '192.0.2.77'")
  assert.equal(rows, [['login.failed', '192.0.2.77', 'node', '{}']])
  assert.not.ok(on.logs().some((line) => JSON.stringify(line).includes('my secret mistake')))
})

stage.end()

import * as assert from 'uvu/assert'
import { eventually, test } from '../../kit.ts'
import { startSmtpServer } from './smtp-server.ts'
import { PASSWORD, startStage } from './stage.ts'

test('letters leave over SMTP; one that is refused waits in the database, outlives a killed replica, and is tried again', async () => {
  await using mail = await startSmtpServer()
  await using stage = await startStage({
    smtp_host: '127.0.0.1', smtp_port: String(mail.port), smtp_security: 'none', smtp_user: 'pi', mail_from: 'Pi <pi@example.org>',
    verify_link: 'https://app.example/verify#{token}',
  })
  const { call, rows } = stage
  assert.is((await call('POST', '/v1/register', { json: { email: 'ada@example.org', password: PASSWORD } })).status, 202)
  const letter = await eventually('the letter', () => mail.received[0])
  assert.equal([letter.from.split(' ')[1], letter.to, letter.login], ['FROM:<pi@example.org>', 'RCPT TO:<ada@example.org>', '|pi|mail secret'])
  assert.ok(letter.lines.includes('Subject: Bramble: confirm your e-mail address'))
  assert.ok(letter.lines.includes('Auto-Submitted: auto-generated'))
  // Undone as a mail program does it.
  const text = letter.lines.join('\n').replaceAll('=\n', '').replaceAll('=3D', '=')
  const token = /https:\/\/app\.example\/verify#(\S+)/.exec(text)?.[1] ?? ''
  assert.is((await call('POST', '/v1/verify-email', { json: { token, password: PASSWORD } })).status, 200)
  await eventually('the outbox is empty', async () => (await rows('SELECT id FROM outbox')).length === 0)

  mail.refuse(true)
  assert.is((await call('POST', '/v1/password/forgot', { json: { email: 'ada@example.org' } })).status, 202)
  await eventually('a try', async () => (await rows('SELECT tries FROM outbox'))[0]?.[0] === 1)
  const [[sealed] = []] = await rows('SELECT letter FROM outbox')
  assert.match(String(sealed), /^v1\.[\w-]+$/)
  await stage.restart('SIGKILL')
  mail.refuse(false)
  await call('POST', `${stage.dataUrl}/v1/db/auth/execute`, { token: stage.serviceToken, json: { statements: [{ sql: 'UPDATE outbox SET due_at = 0' }] } })
  // The next replica looks when its first call comes.
  assert.is((await call('GET', '/healthz')).status, 200)
  const second = await eventually('the second letter', () => mail.received[1])
  assert.ok(second.lines.includes('Subject: Bramble: choose a new password'))
  await eventually('the outbox is empty', async () => (await rows('SELECT id FROM outbox')).length === 0)
  assert.is(mail.received.length, 2)
})

test('where STARTTLS is asked for, a server without it gets neither letter nor password', async () => {
  await using mail = await startSmtpServer()
  await using stage = await startStage({ smtp_host: '127.0.0.1', smtp_port: String(mail.port), smtp_user: 'pi' })
  assert.is((await stage.call('POST', '/v1/register', { json: { email: 'ada@example.org', password: PASSWORD } })).status, 202)
  await eventually('a refusal in the log', () => stage.logs().some(({ message }) => message === 'a letter could not be delivered'))
  assert.ok(mail.said.length > 0)
  assert.not.ok(mail.said.some((line) => /^(?:AUTH|MAIL|DATA)/i.test(line)))
})

import * as assert from 'node:assert/strict'
import { createDelivery, letterOf } from '../../../functions/monitor/alerts/delivery.ts'
import type { Message } from '../../../functions/monitor/alerts/watch-state.ts'
import { startSmtpServer } from '../auth/smtp-server.ts'
import { test } from '../../kit.ts'

const message: Message = {
  id: 'id-1', madeMs: 0, tries: 0, dueMs: 0, to: ['mail'],
  alerts: [
    { rule: 'node-lost', state: 'firing', severity: 'critical', labels: { node: 'zero-1' }, value: 0, summary: 'the board zero-1\r\nBcc: everybody@example.org', since: '2026-01-01T00:00:00.000Z' },
    { rule: 'error-rate', state: 'resolved', severity: 'warning', labels: {}, value: 1, summary: 'album fails', since: '2026-01-01T00:00:00.000Z' },
  ],
}

test('a message goes out as a letter; one that is refused is an error, so that it is tried again', async () => {
  await using server = await startSmtpServer()
  const delivery = createDelivery({ webhook: '', mail: { to: 'me@example.org', from: 'Bramble <no-reply@bramble.local>', host: '127.0.0.1', port: server.port, security: 'none', user: '', password: '' } })
  assert.deepEqual(delivery.ways, ['mail'])
  server.refuse(true)
  await assert.rejects(delivery.send('mail', message))
  server.refuse(false)
  await delivery.send('mail', message)
  const [letter] = server.received
  const text = letter?.lines.join('\n') ?? ''
  assert.match(letter?.to ?? '', /me@example\.org/)
  assert.match(text, /^Subject: Alert: the board zero-1 Bcc: everybody@example\.org and 1 more$/m)
  assert.doesNotMatch(text.split('\n\n')[0] ?? '', /^Bcc:/m)
  assert.match(text, /over: album fails/)
})

test('what is over alone is said to be over', () => {
  assert.equal(letterOf({ alerts: message.alerts.slice(1) }).subject, 'Over: album fails')
})

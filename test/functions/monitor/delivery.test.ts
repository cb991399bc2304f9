import * as assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createDelivery, letterOf } from '../../../functions/monitor/alerts/delivery.ts'
import type { Message } from '../../../functions/monitor/alerts/watch-state.ts'
import { bytesOf, fieldsOfMessage, textOf } from '../../../functions/monitor/push/protobuf.ts'
import { unsnap } from '../../../functions/monitor/push/snappy.ts'
import { startSmtpServer } from '../auth/smtp-server.ts'
import { eventually, test } from '../../kit.ts'
import { startMonitor } from './started-monitor.ts'

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

/** `name{label=value,…} value` of a WriteRequest. */
function samplesOf(body: Buffer): readonly string[] {
  return [...fieldsOfMessage(unsnap(body, 2 ** 24))].map((series) => {
    const parts = [...fieldsOfMessage(bytesOf(series))]
    const labels = parts.filter(({ number }) => number === 1).map((label) => [...fieldsOfMessage(bytesOf(label))].map(textOf).join('='))
    const [value] = parts.filter(({ number }) => number === 2).flatMap((sample) => [...fieldsOfMessage(bytesOf(sample))])
    return `${labels.join(',')} ${value && bytesOf(value).readDoubleLE()}`
  })
}

test('the service itself mails its alerts and writes its samples on, each with the secret that is for it', async () => {
  await using mail = await startSmtpServer()
  const written: { authorization: string | undefined; samples: readonly string[] }[] = []
  const sink = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      written.push({ authorization: request.headers.authorization, samples: samplesOf(Buffer.concat(chunks)) })
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = sink.address() as AddressInfo
    await using monitor = await startMonitor({
      scrape_every: '100ms', alert_group_wait: '100ms', alert_mail_to: 'me@example.org', mail_from: 'Monitor <monitor@example.org>', remote_write_url: `http://127.0.0.1:${port}/write`,
      smtp_host: '127.0.0.1', smtp_port: String(mail.port), smtp_security: 'none', smtp_user: 'monitor',
    }, { 'smtp-password': 'of-the-mail', 'remote-write-authorization': 'Bearer of-the-sink' })
    const rule = { expr: 'up{job="gateway"} == 0', for_seconds: 0, summary: 'the gateway of the test is gone' }
    assert.equal((await monitor.call('PUT', '/v1/rules/gone', { body: JSON.stringify(rule), headers: { 'content-type': 'application/json' } })).status, 201)
    const letter = await eventually('a letter', () => mail.received[0])
    assert.deepEqual([letter.from, letter.to, letter.login], ['MAIL FROM:<monitor@example.org>', 'RCPT TO:<me@example.org>', '|monitor|of-the-mail'])
    assert.match(letter.lines.join('\n'), /^Subject: Alert: the gateway of the test is gone$/m)
    const { authorization, samples } = await eventually('samples', () => written[0])
    assert.equal(authorization, 'Bearer of-the-sink')
    assert.ok(samples.includes('__name__=up,job=gateway 0') && samples.some((one) => /^__name__=bramble_node_up,.*node=this-board 1$/.test(one)), samples.join('\n'))
  } finally {
    sink.closeAllConnections()
    sink.close()
  }
})

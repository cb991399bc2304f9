import * as assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { cases, eventually, test } from '../../kit.ts'
import { createServer } from 'node:http'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { snap } from '../../../functions/monitor/push/snappy.ts'
import { startMonitor } from './started-monitor.ts'

const JSON_LINES = { 'content-type': 'application/x-ndjson' }

test('without the token nothing answers but health and the description; a large or growing push is refused; a line cannot leave its place', async () => {
  await using monitor = await startMonitor({ max_push_size: '100Ki' })
  const { paths } = await monitor.json('/openapi.json') as { paths: Record<string, Record<string, object>> }
  for (const [path, operations] of Object.entries(paths)) for (const method of Object.keys(operations)) for (const authorization of ['', 'Bearer wrong-token-0123456789', 'Basic YTpi']) {
    const { status } = await monitor.call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), { headers: { authorization } })
    assert.equal(status, ['/healthz', '/openapi.json'].includes(path) ? 200 : 401, `${method} ${path}`)
  }

  assert.equal((await monitor.call('POST', '/v1/lines', { body: 'x'.repeat(200_000), headers: JSON_LINES })).status, 413)
  assert.equal((await monitor.call('POST', '/v1/lines', { body: '{}', headers: { ...JSON_LINES, 'content-encoding': 'br' } })).status, 415)
  assert.equal((await monitor.call('POST', '/v1/lines', { body: '{}', headers: { ...JSON_LINES, 'content-encoding': 'gzip' } })).status, 422)
  const bomb = snap(Buffer.alloc(2 ** 20, 'a'))
  assert.ok(bomb.length < 100_000)
  const grown = await monitor.call('POST', '/loki/api/v1/push', { body: new Uint8Array(bomb), headers: { 'content-type': 'application/x-protobuf' } })
  assert.deepEqual([grown.status, /would be larger than/.test(await grown.text())], [422, true])

  const evil = { function: 'a\n{"function":"other"}', instance: '"}', message: 'x\r\n\r\ndata: {"id":"9-9"}\n\u2028', callId: 'c"}\n' }
  assert.equal((await monitor.push([evil])).status, 200)
  const [line] = await monitor.lines(`call=${encodeURIComponent(evil.callId)}`)
  assert.deepEqual([line?.function, line?.fields?.['message'], line?.call_id], [evil.function, evil.message, evil.callId])
  assert.deepEqual((await monitor.lines('function=other')).length, 0)
})

test('a line nested as deep as its length allows is told by its text: searches, calls and tails go on', async () => {
  await using monitor = await startMonitor()
  const nested = (levels: number): string => `{"callId":"deep","level":"warn","x":${'['.repeat(levels)}${']'.repeat(levels)}}`
  const texts = [nested(19), nested(20), nested(30_000)]
  assert.equal((await monitor.call('POST', '/v1/lines', { body: `{"message":"first"}\n${texts.join('\n')}`, headers: JSON_LINES })).status, 200)
  const [first, ...deep] = await monitor.lines('order=asc')
  const shown = texts.map((text, i) => [text, 'warn', i === 0])
  assert.deepEqual(deep.map(({ text, level, fields }) => [text, level, fields !== undefined]), shown)
  assert.deepEqual((await monitor.lines('level=warn&field=callId:deep')).length, 3)
  const { items } = await monitor.json('/v1/calls/deep') as { items: { text: string; level: string; fields?: object }[] }
  assert.deepEqual(items.map(({ text, level, fields }) => [text, level, fields !== undefined]), shown)

  const hangUp = new AbortController()
  const tail = await monitor.call('GET', `/v1/logs/tail?after=${first?.id}`, { signal: hangUp.signal })
  let told = ''
  for await (const chunk of tail.body ?? []) if ((told += Buffer.from(chunk).toString()).split('\n').filter((line) => line !== '').length > 2 && told.endsWith('\n')) break
  hangUp.abort()
  assert.deepEqual(told.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line).text), texts)
})

test('boards and names that nobody has are taken up to a limit, and drive away none that was there before', async () => {
  await using monitor = await startMonitor()
  const put = async (name: string): Promise<number> => (await monitor.call('POST', `/v1/nodes/${name}`, { body: '{}', headers: { 'content-type': 'application/json' } })).status
  assert.equal(await put('zero-1'), 204)
  const statuses = await Promise.all(Array.from({ length: 220 }, (_, i) => put(`x${i}`)))
  assert.deepEqual(new Set(statuses), new Set([204, 409]))
  assert.equal(await put('zero-1'), 204)

  const named = [...Array.from({ length: 600 }, (_, i) => ({ function: `f${i}` })), { function: 'f0' }]
  assert.equal((await monitor.push(named)).status, 200)
  assert.deepEqual([(await monitor.lines('function=others&limit=1000')).length, (await monitor.lines('function=f0')).length], [100, 2])
})

test('series beyond the limit are left out and counted', async () => {
  const server = createServer((request, response) => {
    response.end(request.url === '/system/metrics' ? Array.from({ length: 500 }, (_, i) => `many{i="${i}"} ${i}\n`).join('') : '[]')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await using monitor = await startMonitor({ gateway_url: `http://127.0.0.1:${port}`, scrape_every: '200ms', max_series: '100' })
    await eventually('a moment is kept', async () => (await (await monitor.call('GET', '/v1/metrics')).text()).split('\n').filter((line) => line !== '' && !line.startsWith('#')).length === 100)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('what lies damaged in the folder keeps it from nothing', async () => {
  await using monitor = await startMonitor()
  await monitor.push([{ message: 'kept' }])
  await monitor.process.kill()
  const folder = join(monitor.volume, 'monitor')
  await writeFile(join(folder, 'alerts.json'), '{"alerts":')
  await writeFile(join(folder, 'logs/2026-01-01.0000.blocks'), 'rubbish')
  await writeFile(join(folder, 'metrics/000000099999.tail'), Buffer.alloc(100, 0xff))
  await monitor.process.start()
  assert.deepEqual((await monitor.lines('')).map(({ fields }) => fields?.['message']), ['kept'])
  assert.ok((await readdir(folder)).includes('alerts.json.bad'))
  assert.equal((await monitor.push([{ message: 'more' }])).status, 200)
})

cases('without a volume it says so, and works from memory', [{ name: 'until it ends' }], async () => {
  await using monitor = await startMonitor({ volume_path: '' })
  assert.ok(monitor.process.logs().some(({ message }) => message.startsWith('there is no volume')))
  await monitor.push([{ function: 'f', message: 'kept', callId: 'c' }])
  assert.equal((await monitor.lines('call=c')).length, 1)
  await eventually('samples are there', async () => (await (await monitor.call('GET', '/v1/metrics')).text()).includes('bramble_node_up{job="board",node="this-board"} 1'))
  await rm(monitor.volume, { recursive: true, force: true })
})

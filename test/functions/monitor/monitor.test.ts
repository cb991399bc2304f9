import * as assert from 'node:assert/strict'
import { eventually, test } from '../../kit.ts'
import { startMonitor } from './started-monitor.ts'

test('lines are found by function, level, call, text, field and time, page by page', async () => {
  await using monitor = await startMonitor()
  const baseMs = Date.now() - 60_000
  const lines = Array.from({ length: 30 }, (_, i) => ({
    time: new Date(baseMs + i * 1000).toISOString(), function: i % 2 === 0 ? 'album' : 'thumbnail', level: i % 10 === 9 ? 'error' : 'info',
    message: `line ${i}`, callId: `call-${i % 3}`, status: i, user: { name: `u${i % 4}` },
  }))
  assert.equal((await monitor.push(lines)).status, 200)
  const numbers = async (query: string): Promise<readonly unknown[]> => (await monitor.lines(query)).map(({ fields }) => fields?.['status'])
  assert.deepEqual(await numbers('level=error'), [29, 19, 9])
  assert.deepEqual(await numbers('call=call-1&function=thumbnail&order=asc'), [1, 7, 13, 19, 25])
  assert.deepEqual(await numbers('text=line%202&order=asc&function=album'), [2, 20, 22, 24, 26, 28])
  assert.deepEqual(await numbers('field=user.name:u3&field=level:error'), [19])
  assert.deepEqual(await numbers('field=status:12'), [12])
  assert.deepEqual(await numbers(`since=${encodeURIComponent(lines[27]?.time ?? '')}`), [29, 28, 27])
  assert.deepEqual(await numbers(`until=${encodeURIComponent(lines[2]?.time ?? '')}&order=asc`), [0, 1])

  const seen: unknown[] = []
  for (let cursor = ''; ;) {
    const page = await monitor.json(`/v1/logs?limit=7&order=asc${cursor && `&cursor=${cursor}`}`)
    if (!Array.isArray(page['items'])) throw new Error('a page has items')
    seen.push(...page['items'].map(({ fields }) => fields.status))
    if (typeof page['next_cursor'] !== 'string') break
    cursor = page['next_cursor']
  }
  assert.deepEqual(seen, lines.map(({ status }) => status))
  const call = await monitor.json('/v1/calls/call-2')
  assert.deepEqual([call['functions'], call['started'], call['truncated']], [['album', 'thumbnail'], lines[2]?.time, false])
})

test('a killed monitor has what it acknowledged, once, and knows keys again', async () => {
  await using monitor = await startMonitor()
  assert.equal((await monitor.push([{ function: 'f', message: 'one' }], { 'idempotency-key': 'k1' })).status, 200)
  await monitor.process.kill()
  await monitor.process.start()
  assert.equal((await monitor.push([{ function: 'f', message: 'one' }], { 'idempotency-key': 'k1' })).status, 200)
  assert.equal((await monitor.push([{ function: 'f', message: 'two' }], { 'idempotency-key': 'k2' })).status, 200)
  assert.deepEqual((await monitor.lines('order=asc')).map(({ fields }) => fields?.['message']), ['one', 'two'])
})

test('a tail shows lines as they come, and goes on after the last one that was seen', async () => {
  await using monitor = await startMonitor()
  const read = async (query: string, count: number): Promise<readonly Record<string, unknown>[]> => {
    const hangUp = new AbortController()
    const answer = await monitor.call('GET', `/v1/logs/tail?${query}`, { signal: hangUp.signal })
    let text = ''
    const lines = (): string[] => text.split('\n').filter((line) => line !== '')
    pushed?.()
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (lines().length >= count && text.endsWith('\n')) break
    }
    hangUp.abort()
    return lines().map((line) => JSON.parse(line))
  }
  let pushed: (() => void) | undefined = () => void monitor.push([{ function: 'a', message: '1' }, { function: 'b', message: '2' }, { function: 'a', message: '3' }])
  const [first, second] = await read('function=a', 2)
  assert.deepEqual([first?.['text'], second?.['text']].map((text) => JSON.parse(String(text)).message), ['1', '3'])
  pushed = undefined
  const [again] = await read(`after=${String(first?.['id'])}&function=a`, 1)
  assert.equal(again?.['id'], second?.['id'])
})

test('a browser gets events, and those it missed when it comes back with the id of the last', async () => {
  await using monitor = await startMonitor()
  await monitor.push([{ message: 'one' }, { message: 'two' }, { message: 'three' }])
  const [last] = await monitor.lines('text=one')
  const hangUp = new AbortController()
  const answer = await monitor.call('GET', '/v1/logs/tail', { headers: { accept: 'text/event-stream', 'last-event-id': last?.id ?? '' }, signal: hangUp.signal })
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/)
  let text = ''
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.includes('three')) break
  }
  hangUp.abort()
  const events = [...text.matchAll(/^id: (\S+)\ndata: (.*)\n\n/gm)].map(([, id, data]) => [id, JSON.parse(data ?? '').fields.message])
  assert.deepEqual(events.map(([, message]) => message), ['two', 'three'])
  assert.notEqual(events[0]?.[0], last?.id)
})

test('a flood of pushes is answered, and the answer says what is wrong with a line', async () => {
  await using monitor = await startMonitor()
  const bad = await monitor.call('POST', '/v1/lines', { body: '{"message":"a"}\nnot json', headers: { 'content-type': 'application/x-ndjson' } })
  assert.equal(bad.status, 422)
  assert.match(await bad.text(), /line 2 is not a JSON object/)
  const old = await monitor.push([{ time: '2001-01-01T00:00:00Z', message: 'x' }])
  assert.match(await old.text(), /line 1 is older than lines are kept/)
  const large = await Promise.all(Array.from({ length: 20 }, (_, batch) =>
    monitor.push(Array.from({ length: 1000 }, (_, i) => ({ function: 'flood', message: 'x'.repeat(100), batch, i })))))
  assert.deepEqual(new Set(large.map(({ status }) => status)), new Set([200]))
  await eventually('all are counted', async () => (await monitor.lines('function=flood&limit=1000')).length === 1000)
})

/** The data service of the stack on the real platform: updated and killed under writes, it loses nothing and does nothing twice. */
import * as assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { startPlatform, type Platform } from '../bench/platform.ts'
import { eventually, test } from '../kit.ts'

const TOKEN = 'service-token-of-the-e2e-test-0123'
const WRITERS = 4
/** A call that failed comes again with its key: what it did may have been done. */
const RETRY_MS = 20
const LIMIT = { timeoutMs: 180_000 }

function deployment(version: string): object {
  return {
    service: 'data', image: 'bramble/data:0.1.0', secrets: ['service-token'], envVars: { version },
    labels: { 'com.openfaas.scale.max': '1' }, annotations: { 'bramble/volume': '/data' },
  }
}

async function call(platform: Platform, method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${platform.url}/function/data${path}`, {
    method, headers: { authorization: `Bearer ${TOKEN}`, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

test('what is written through the gateway is there once, over updates and kills', async () => {
  await using platform = await startPlatform({ env: { ready_timeout: '30s' } })
  await platform.request('POST', '/system/secrets', { name: 'service-token', value: TOKEN })
  await platform.request('POST', '/system/functions', deployment('1'))
  await platform.ready('data')
  assert.equal((await call(platform, 'PUT', '/v1/db/shop')).status, 201)
  const made = await call(platform, 'PUT', '/v1/db/shop/migrations', { migrations: [{ id: '1', sql: 'CREATE TABLE sale (writer INTEGER, number INTEGER)' }] })
  assert.equal(made.status, 200, await made.text())

  let isOver = false
  let retries = 0
  const write = async (writer: number): Promise<number> => {
    let number = 0
    for (; !isOver; number++) {
      const body = { statements: [{ sql: 'INSERT INTO sale VALUES (?, ?)', parameters: [writer, number] }] }
      for (; ;) {
        const status = await call(platform, 'POST', '/v1/db/shop/execute', body, { 'idempotency-key': `${writer}-${number}` })
          .then(async (answer) => {
            const text = await answer.text()
            return answer.status === 409 && text.includes('answer_lost') ? 200 : answer.status
          }, () => 0)
        if (status === 200) break
        assert.ok([0, 409, 429, 502, 503, 504].includes(status), String(status))
        retries++
        await pause(RETRY_MS)
      }
    }
    return number
  }
  const rowsOf = (sql: string): Promise<readonly (readonly number[])[]> => eventually('a query is answered', async () => {
    const answer = await call(platform, 'POST', '/v1/db/shop/query', { sql })
    const text = await answer.text()
    return answer.status === 200 && JSON.parse(text).results[0].rows
  })
  const written = async (): Promise<number> => (await rowsOf('SELECT count(*) FROM sale'))[0]?.[0] ?? 0
  const grows = async (): Promise<void> => {
    const before = await written()
    await eventually('writes go on', async () => await written() > before + WRITERS)
  }
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer))
  await grows()

  const [first] = platform.replicas('data')
  await platform.request('PUT', '/system/functions', deployment('2'))
  await eventually('the update', () => platform.replicas('data').some(({ pid }) => pid !== first?.pid))
  await grows()
  const retriesByUpdate = retries
  for (const { pid } of platform.replicas('data')) process.kill(pid, 'SIGKILL')
  await grows()
  isOver = true
  const acknowledged = await Promise.all(writers)

  const rows = await rowsOf('SELECT writer, count(*), count(DISTINCT number), max(number) + 1 FROM sale GROUP BY writer ORDER BY writer')
  assert.deepEqual(rows, acknowledged.map((count, writer) => [writer, count, count, count]))
  assert.equal(retriesByUpdate, 0, 'an update fails no call')
}, LIMIT)

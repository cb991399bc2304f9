import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from '../../kit.ts'
import { createDataClient } from '../../../template/node-ts/runtime/service/data-client.ts'
import { Problem } from '../../../template/node-ts/runtime/service/problem.ts'

const RESULT = JSON.stringify({ results: [{ columns: ['n'], rows: [[1]], changes: 0 }] })

/** What answers as the data service, and a client of it. */
async function startData(answer: (call: string, nth: number) => readonly [number, string]) {
  const calls: string[] = []
  const server = createServer((request, response) => {
    calls.push(`${request.method} ${request.url}`)
    const [status, body] = answer(calls.at(-1) ?? '', calls.length)
    request.resume().on('end', () => response.writeHead(status).end(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = createDataClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, database: 'db', token: 't', migrations: [] })
  return { calls, client, [Symbol.dispose]() { server.close(); server.closeAllConnections() } }
}

test('an answer that is no JSON is that of a data service that is not there', async () => {
  for (const body of ['', '<html>', '{"results":', 'null', '{}']) {
    using data = await startData((call) => call.startsWith('POST') ? [200, body] : [200, '{}'])
    await data.client.prepare()
    await assert.rejects(data.client.query('SELECT 1'), (error) => error instanceof Problem && error.status === 503 && error.code === 'data_unavailable', body)
  }
})

test('whoever asks for data finds the schema there: it is made once, and again when the database was removed', async () => {
  let isRemoved = false
  using data = await startData((call) => call.startsWith('PUT') ? [200, '{}'] : isRemoved ? [404, '{}'] : [200, RESULT])
  const prepared = ['PUT /v1/db/db', 'PUT /v1/db/db/migrations']
  assert.deepEqual(await Promise.all([data.client.query('SELECT 1'), data.client.query('SELECT 1')]), [[{ n: 1 }], [{ n: 1 }]])
  await data.client.execute([{ sql: 'SELECT 1' }])
  assert.deepEqual(data.calls, [...prepared, 'POST /v1/db/db/query', 'POST /v1/db/db/query', 'POST /v1/db/db/execute'])
  isRemoved = true
  await assert.rejects(data.client.query('SELECT 1'))
  isRemoved = false
  data.calls.length = 0
  await data.client.execute([{ sql: 'SELECT 1' }])
  assert.deepEqual(data.calls, [...prepared, 'POST /v1/db/db/execute'])
})

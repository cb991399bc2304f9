import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from '../../kit.ts'
import { createDataClient } from '../../../template/node-ts/runtime/service/data-client.ts'
import { Problem } from '../../../template/node-ts/runtime/service/problem.ts'

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

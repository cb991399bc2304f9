import * as assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventually, test } from '../../kit.ts'
import { startMonitor } from './started-monitor.ts'

test('a function that floods its log is bounded and told so, and another is read as ever', async () => {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    if (url.pathname === '/system/namespaces') return void response.end('["openfaas-fn"]')
    if (url.pathname === '/system/functions') return void response.end(JSON.stringify(['loud', 'calm'].map((name) => ({ name, namespace: 'openfaas-fn' }))))
    if (url.pathname !== '/system/logs') return void response.writeHead(404).end()
    const name = url.searchParams.get('name') ?? ''
    let number = 0
    const write = (): void => {
      // As fast as it is read: what is too much must not pile up here.
      while (!response.destroyed) {
        const text = JSON.stringify({ level: 'info', message: `line ${number}`, n: number++ })
        if (!response.write(`${JSON.stringify({ name, namespace: 'openfaas-fn', instance: 'r', timestamp: new Date().toISOString(), text })}\n`)) break
        if (name === 'calm') return void setTimeout(write, 20)
      }
      response.once('drain', write)
    }
    write()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await using monitor = await startMonitor({ gateway_url: `http://127.0.0.1:${port}`, lines_per_second: '50', burst_lines: '100' })
    await eventually('the loud one is told', async () => (await monitor.lines('function=loud&text=too%20fast')).length > 0)
    const calm = await eventually('the calm one is read', async () => {
      const lines = await monitor.lines('function=calm&order=asc&limit=1000')
      return lines.length > 50 && lines
    })
    assert.deepEqual(calm.map(({ fields }) => fields?.['n']), calm.map((_, i) => i))
    const loud = await monitor.lines('function=loud&limit=1000')
    assert.ok(loud.length < 1000, `${loud.length} lines of a flood`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

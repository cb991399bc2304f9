import * as assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventually, test } from '../../kit.ts'
import { startMonitor, type Monitor } from './started-monitor.ts'

type FakeGateway = AsyncDisposable & { readonly url: string; metrics: string }

/** Answers as the platform's API does, with what the test says. */
async function startGateway(): Promise<FakeGateway> {
  const gateway = { metrics: '', url: '' }
  const server: Server = createServer((request, response) => {
    const path = request.url ?? ''
    if (path === '/system/namespaces') return void response.end('["openfaas-fn"]')
    if (path.startsWith('/system/functions')) return void response.end('[{"name":"f","namespace":"openfaas-fn"}]')
    if (path === '/system/metrics') return void response.end(gateway.metrics)
    if (path.startsWith('/system/metrics?name=f')) return void response.end('# TYPE own counter\nown{instance="r"} 5\n')
    response.writeHead(200).flushHeaders()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(gateway, {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

type Vector = readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[]

async function query(monitor: Monitor, text: string): Promise<Vector> {
  const { data }: { data?: { result: Vector } } = await monitor.json(`/api/v1/query?query=${encodeURIComponent(text)}`)
  return data?.result ?? []
}

test('metrics of gateway, functions and boards are kept, asked for, shown, and outlive a kill', async () => {
  await using gateway = await startGateway()
  const cluster = 'bramble_node_up{node="zero-1"} 1\nbramble_node_up{node="zero-2"} 1\n'
  gateway.metrics = `${cluster}# TYPE calls counter\ncalls{code="200"} 10\ncalls{code="500"} 1\n`
  await using monitor = await startMonitor({ gateway_url: gateway.url, scrape_every: '100ms', node_name: 'me' })
  await monitor.call('POST', '/v1/nodes/zero-1', { body: JSON.stringify({ cpu_used: 0.5, cpu_cores: 4, temperature_celsius: 61.5, throttled: 0x50005 }), headers: { 'content-type': 'application/json' } })
  await eventually('all targets are there', async () => (await query(monitor, 'up')).length === 2 && (await query(monitor, 'own')).length === 1 && (await query(monitor, 'bramble_node_up')).length === 4)
  gateway.metrics = `${cluster}# TYPE calls counter\ncalls{code="200"} 30\ncalls{code="500"} 2\n`
  const rows = await eventually('the new values', async () => {
    const found = await query(monitor, 'increase(calls[1m])')
    return found.some(({ value }) => value[1] === '20') && found
  })
  assert.deepEqual(rows.map(({ metric, value }) => [metric, value[1]]), [[{ code: '200' }, '20'], [{ code: '500' }, '1']])
  assert.deepEqual((await query(monitor, 'sum(calls{code=~"2.*|5.*"})')).map(({ value }) => value[1]), ['32'])
  assert.deepEqual((await query(monitor, 'bramble_node_under_voltage{node="zero-1"} + bramble_node_temperature_celsius')).map(({ value }) => value[1]), ['62.5'])
  assert.ok(Number((await query(monitor, 'bramble_node_memory_total_bytes{node="me"}'))[0]?.value[1]) > 1e6)

  const text = await (await monitor.call('GET', '/v1/metrics')).text()
  assert.match(text, /# TYPE calls counter\ncalls\{code="200"\} 30\ncalls\{code="500"\} 2\n/)
  assert.match(text, /# TYPE own counter\nown\{function_name="f.openfaas-fn",instance="r"\} 5\n/)

  const before = Date.now() / 1000
  await monitor.process.kill()
  await monitor.process.start()
  await eventually('it goes on', async () => (await query(monitor, 'calls')).length === 2)
  const range = await monitor.json(`/api/v1/query_range?query=calls%7Bcode%3D%22200%22%7D&start=${before - 60}&end=${Date.now() / 1000}&step=50ms`)
  const { result } = range['data'] as { result: { values: [number, string][] }[] }
  const values = new Set(result[0]?.values.map(([, value]) => value))
  assert.deepEqual([...values], ['10', '30'])
  const boards = (await query(monitor, 'bramble_node_up')).map(({ metric: { job, node } }) => [job, node])
  assert.deepEqual(boards.toSorted(), [[undefined, 'zero-1'], [undefined, 'zero-2'], ['board', 'me'], ['board', 'zero-1']].toSorted(), 'a board that told of itself before is not forgotten, and those of a cluster are not taken for such')
  const shown = (await (await monitor.call('GET', '/v1/metrics')).text()).split('\n').filter((line) => line !== '')
  assert.equal(new Set(shown.map((line) => line.replace(/ \S+$/, ''))).size, shown.length, 'each series once')
})

test('a rule fires, is told to a webhook with others of its time, outlives a kill, is silenced, and ends', async () => {
  const told: { id: string; status: string; alerts: { rule: string; state: string; labels: Record<string, string>; summary: string }[] }[] = []
  let refusals = 1
  const webhook = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => { body += chunk.toString() })
    request.on('end', () => {
      if (refusals-- > 0) return void response.writeHead(503).end()
      const message: (typeof told)[number] = JSON.parse(body)
      // It is killed as soon as the first has arrived, so that one may come again, under the same id.
      if (!told.some(({ id }) => id === message.id)) told.push(message)
      response.end()
    })
  })
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = webhook.address() as AddressInfo
    await using gateway = await startGateway()
    const gauge = (one: number, other: number): string => `# TYPE load gauge\nload{board="a"} ${one}\nload{board="b"} ${other}\n`
    gateway.metrics = gauge(9, 9)
    await using monitor = await startMonitor({ gateway_url: gateway.url, scrape_every: '100ms', alert_group_wait: '200ms', alert_webhook: `http://127.0.0.1:${port}/hook` })
    const put = (path: string, body: object): Promise<Response> => monitor.call('PUT', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    assert.equal((await put('/v1/silences/quiet', { match: { rule: 'busy', board: 'b*' }, until: new Date(Date.now() + 3_600_000).toISOString() })).status, 200)
    assert.equal((await put('/v1/rules/busy', { expr: 'load > 5', for_seconds: 0.2, summary: 'load {value} on {board}' })).status, 201)
    const alerts = async (): Promise<readonly string[]> => {
      const { items } = await monitor.json('/v1/alerts') as { items: { rule: string; state: string; labels: Record<string, string> }[] }
      return items.filter(({ rule }) => rule === 'busy').map(({ state, labels }) => `${labels['board']} ${state}`)
    }
    await eventually('it fires', async () => (await alerts()).join() === 'a firing,b firing')
    const busy = (): typeof told => told.filter(({ alerts: list }) => list.some(({ rule }) => rule === 'busy'))
    await eventually('the webhook has it, after one refusal', () => busy().length === 1)
    assert.deepEqual(busy()[0]?.alerts.filter(({ rule }) => rule === 'busy').map(({ state, summary }) => [state, summary]), [['firing', 'load 9 on a']])

    await monitor.process.kill()
    await monitor.process.start()
    assert.deepEqual(await alerts(), ['a firing', 'b firing'])
    gateway.metrics = gauge(1, 9)
    await eventually('the end is told', () => busy().length === 2)
    assert.deepEqual(busy()[1]?.alerts.map(({ rule, state, labels }) => [rule, state, labels['board']]), [['busy', 'resolved', 'a']])
    assert.deepEqual(await alerts(), ['b firing'])
  } finally {
    webhook.closeAllConnections()
    webhook.close()
  }
})

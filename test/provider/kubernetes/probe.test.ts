import * as assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProber, serves } from '../../../platform/provider/kubernetes/probe.ts'
import { cases, eventually, test } from '../../kit.ts'

/** What each path answers to each method; 404 for others. */
type Answers = Readonly<Record<string, number>>

function listen(answers: Answers, port = 0): Promise<{ server: Server; port: number; seen: string[] }> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    const key = `${request.method} ${request.url}`
    seen.push(key)
    response.writeHead(answers[key] ?? 404).end()
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve({ server, seen, port: addressOf(server).port })))
}

function addressOf(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address
}

cases('a replica serves', [
  { name: 'as our runtime says', answers: { 'HEAD /_/ready': 200 }, expected: true },
  { name: 'not yet, as our runtime says', answers: { 'HEAD /_/ready': 503, 'GET /_/health': 200 }, expected: false },
  { name: 'as a watchdog says that takes no HEAD', answers: { 'HEAD /_/ready': 405, 'GET /_/health': 200 }, expected: true },
  { name: 'not yet, as a watchdog says', answers: { 'HEAD /_/ready': 405, 'GET /_/health': 503 }, expected: false },
  { name: 'because it listens, when it knows neither path', answers: {}, expected: true },
  { name: 'at a path of its own', path: '/up', answers: { 'GET /up': 204 }, expected: true },
  { name: 'not when its own path is not there', path: '/up', answers: { 'HEAD /_/ready': 200 }, expected: false },
] as readonly { name: string; answers: Answers; path?: string; expected: boolean }[], async ({ answers, path, expected }) => {
  const { server, port } = await listen(answers)
  try {
    assert.equal(await serves({ host: '127.0.0.1', port, path }), expected)
  } finally {
    server.close()
  }
})

test('the classic watchdog, for which any GET is a call, is not called', async () => {
  const { server, port, seen } = await listen({ 'HEAD /_/ready': 405, 'GET /_/health': 200 })
  await serves({ host: '127.0.0.1', port, path: undefined })
  server.close()
  assert.deepEqual(seen, ['HEAD /_/ready', 'GET /_/health'])
})

test('a replica that starts later is found once, and not asked again', async () => {
  const first = await listen({})
  const { port } = first
  await new Promise((resolve) => first.server.close(resolve))
  const prober = createProber()
  let found = 0
  prober.watch({ host: '127.0.0.1', port, path: undefined }, () => { found++ })
  const { server, seen } = await listen({ 'HEAD /_/ready': 200 }, port)
  await eventually('it is found', () => found === 1)
  const asked = seen.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  server.close()
  assert.equal(found, 1)
  assert.equal(seen.length, asked)
})

test('a replica that is given up is not asked any more', async () => {
  const { server, port, seen } = await listen({ 'HEAD /_/ready': 503 })
  const prober = createProber()
  const stop = prober.watch({ host: '127.0.0.1', port, path: undefined }, () => assert.fail('it never serves'))
  await eventually('it is asked', () => seen.length > 2)
  stop()
  const asked = seen.length + 1
  await new Promise((resolve) => setTimeout(resolve, 100))
  server.close()
  assert.ok(seen.length <= asked)
})

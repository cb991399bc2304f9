/** `/async-function` at the real gateway, over the embedded queue. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { laneName, type Delivery, type Queue } from '../../platform/queue/queue.ts'
import { createTestGateway } from '../contract/replay.ts'
import { createSeededProvider } from '../contract/seeded-provider.ts'
import { cases, eventually, test } from '../kit.ts'
import { callsOver, openEmbedded } from '../queue/world.ts'
import { openWire } from './raw-wire.ts'

const LIMIT_BYTES = 1_000
const ref = { name: 'one', namespace: 'openfaas-fn' }
const lane = laneName({ kind: 'call', ref, callId: '', method: '', path: '', headers: [] })

type World = AsyncDisposable & { readonly url: string; readonly queue: Queue; taken(): Promise<readonly Delivery[]> }

async function open(queueOf: (queue: Queue) => Queue = (queue) => queue): Promise<World> {
  const embedded = await openEmbedded()
  const provider = createSeededProvider({ functions: [{ deployment: { service: 'one', image: 'test/one' } }] })
  const gateway = createTestGateway(provider, 'basic', {}, undefined, { asyncCalls: callsOver(queueOf(embedded.queue), LIMIT_BYTES) })
  await provider.start()
  await gateway.start()
  return {
    url: gateway.url(), queue: embedded.queue,
    taken: () => embedded.queue.take(lane, { count: 10, bytes: 1_000_000 }, 60_000),
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await provider.stop()
      await embedded[Symbol.asyncDispose]()
    },
  }
}

test('a call is taken with method, path, query, headers and body, and no credentials are asked for', async () => {
  await using world = await open()
  const answer = await fetch(`${world.url}/async-function/one/a/b?c=d`, {
    method: 'PUT', body: 'job', headers: { 'X-Own': '1', 'X-Call-Id': 'mine', 'Content-Type': 'text/x-job' },
  })
  assert.equal(answer.status, 202)
  assert.equal(await answer.text(), '')
  assert.equal(answer.headers.get('x-call-id'), 'mine')
  assert.match(answer.headers.get('x-start-time') ?? '', /^\d{19}$/)
  const [delivery] = await world.taken()
  assert.ok(delivery?.head.kind === 'call')
  const { method, path, callId, headers } = delivery.head
  assert.deepEqual({ method, path, callId, body: Buffer.from(delivery.body).toString() }, { method: 'PUT', path: '/a/b?c=d', callId: 'mine', body: 'job' })
  assert.equal(headers[headers.findIndex((name) => name.toLowerCase() === 'x-own') + 1], '1')
  assert.ok(!headers.some((name) => ['connection', 'content-length', 'transfer-encoding', 'x-call-id'].includes(name.toLowerCase())))
})

cases('what cannot be taken is refused, and nothing is kept', [
  { name: 'an unknown function', path: 'two', method: 'POST', body: 'a', headers: {}, status: 404, text: /error finding function two/ },
  { name: 'a GET', path: 'one', method: 'GET', body: undefined, headers: {}, status: 405, text: /only POST is allowed/ },
  { name: 'a path that climbs', path: 'one/%2e%2e%2fx', method: 'POST', body: 'a', headers: {}, status: 400, text: /"\.\." segment/ },
  { name: 'a large body', path: 'one', method: 'POST', body: 'a'.repeat(LIMIT_BYTES + 1), headers: {}, status: 413, text: /1000 bytes \(async_body_limit\)/ },
  { name: 'a callback that is no URL', path: 'one', method: 'POST', body: 'a', headers: { 'X-Callback-Url': 'here' }, status: 400, text: /X-Callback-Url/ },
  { name: 'a callback to this machine', path: 'one', method: 'POST', body: 'a', headers: { 'X-Callback-Url': 'http://127.0.0.1:9/' }, status: 403, text: /async_callback_hosts/ },
  { name: 'a delay that is none', path: 'one', method: 'POST', body: 'a', headers: { 'X-Delay': 'soon' }, status: 400, text: /X-Delay/ },
], async ({ path, method, body, headers, status, text }) => {
  await using world = await open()
  const answer = await fetch(`${world.url}/async-function/${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
  assert.equal(answer.status, status)
  assert.match(await answer.text(), text)
  assert.deepEqual(await world.taken(), [])
})

test('a body of unknown length is cut off at the limit', async () => {
  await using world = await open()
  const wire = await openWire(Number(new URL(world.url).port))
  wire.write('POST /async-function/one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  wire.write(`7d0\r\n${'a'.repeat(2_000)}\r\n`)
  const [answer] = await wire.whole(1)
  assert.equal(answer?.status, 413)
  assert.deepEqual(await world.taken(), [])
})

test('a full queue is 429 with Retry-After', async () => {
  await using world = await open((queue) => ({ ...queue, enqueue: async () => { throw new BrambleError('BUSY', 'the queue is full') } }))
  const answer = await fetch(`${world.url}/async-function/one`, { method: 'POST', body: 'a' })
  assert.equal(answer.status, 429)
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
})

test('a caller who hangs up before the end has not been taken', async () => {
  await using world = await open()
  const wire = await openWire(Number(new URL(world.url).port))
  wire.write('POST /async-function/one HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
  wire.socket.destroy()
  assert.equal((await fetch(`${world.url}/async-function/one`, { method: 'POST', body: 'whole' })).status, 202)
  assert.deepEqual((await world.taken()).map(({ body }) => Buffer.from(body).toString()), ['whole'])
})

test('a call id that cannot be decoded is the fault of the caller', async () => {
  await using world = await open()
  assert.equal((await fetch(`${world.url}/async-function/%zz`, { method: 'DELETE' })).status, 400)
})

test('what waits is cancelled by its call id', async () => {
  await using world = await open()
  const { headers } = await fetch(`${world.url}/async-function/one`, { method: 'POST', body: 'a' })
  const answer = await fetch(`${world.url}/async-function/${headers.get('x-call-id')}`, { method: 'DELETE' })
  assert.equal(answer.status, 202)
  assert.deepEqual(await world.taken(), [])
})

test('a gateway that stops waits for the disk, and answers the call it has taken', async () => {
  const { promise: written, resolve: write } = Promise.withResolvers<void>()
  let asked = false
  const embedded = await openEmbedded()
  const slow: Queue = { ...embedded.queue, enqueue: async (message) => { asked = true; await written; return embedded.queue.enqueue(message) } }
  const provider = createSeededProvider({ functions: [{ deployment: { service: 'one', image: 'test/one' } }] })
  const gateway = createTestGateway(provider, 'basic', {}, undefined, { asyncCalls: callsOver(slow, LIMIT_BYTES) })
  await provider.start()
  await gateway.start()
  const answer = fetch(`${gateway.url()}/async-function/one`, { method: 'POST', body: 'job' })
  await eventually('the queue has it', () => asked)
  const stopped = gateway.stop()
  setTimeout(write, 300)
  assert.equal((await answer).status, 202)
  await stopped
  await provider.stop()
  await embedded[Symbol.asyncDispose]()
})

/** Callers who hang up while something is awaited before their body or their signal is asked for: 'close' does not come twice. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { eventually, test } from '../../kit.ts'
import type { Call } from '../../../template/node-ts/runtime/call.ts'
import { type Calls, createCalls } from '../../../template/node-ts/runtime/calls.ts'
import { createFetchHandler } from '../../../template/node-ts/runtime/fetch-handler.ts'
import { createListenerHandler } from '../../../template/node-ts/runtime/listener-handler.ts'
import { createMetrics } from '../../../template/node-ts/runtime/metrics.ts'
import { json, send } from '../../../template/node-ts/runtime/service/answer.ts'
import { readBytes } from '../../../template/node-ts/runtime/service/body.ts'
import { routeFor } from '../../../template/node-ts/runtime/service/route.ts'
import { createService } from '../../../template/node-ts/runtime/service/service.ts'

const LIMIT_BYTES = 16 * 2 ** 20

/** Sends the beginning of a call and hangs up. */
function hangUp(port: number, head: string): void {
  const socket = connect(port, '127.0.0.1', () => socket.write(head, () => socket.destroy()))
  socket.on('error', () => undefined)
}

const closed = (request: IncomingMessage): Promise<void> => new Promise((resolve) => request.once('close', resolve))
const announcing = (bytes: number, sent: string): string => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes}\r\n\r\n${sent}`

test('a body whose caller hung up before it is read is refused, and takes no memory from others', async () => {
  const gone: unknown[] = []
  const server = createServer(async (request, response) => {
    if (request.url === '/stays') return void response.end(await readBytes(request, LIMIT_BYTES).then(String, String))
    await closed(request)
    gone.push(await readBytes(request, LIMIT_BYTES).catch((error: unknown) => error))
  }).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    hangUp(port, announcing(LIMIT_BYTES, 'x'))
    // All of it is there, and none of it was read.
    hangUp(port, announcing(5, 'whole'))
    await eventually('both are refused', () => gone.length === 2, 5000)
    for (const error of gone) assert.match(String(error), /the caller hung up/)
    const reply = await fetch(`http://127.0.0.1:${port}/stays`, { method: 'POST', body: 'taken' })
    assert.equal(await reply.text(), 'taken')
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

/** As the runtime does it, in this process. */
async function serving(start: (calls: Calls) => (call: Call) => void) {
  const calls = createCalls({ execTimeoutMs: 0, metrics: createMetrics(), expire: () => undefined })
  const handle = start(calls)
  const server = createServer((request, response) => handle(calls.begin(request, response, request.socket))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() }
}

test('a stream for a caller who hung up before it begins is let go, and is no failure', async () => {
  let returned = 0
  let outcome: unknown
  const body = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined), async return() { returned++; return { done: true as const, value: undefined } } }) }
  const server = createServer(async (request, response) => {
    await closed(request)
    outcome = await send(response, { status: 200, body }).then(() => 'sent', String)
  }).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    hangUp((server.address() as AddressInfo).port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await eventually('it is over', () => outcome !== undefined && returned === 1, 5000)
    assert.equal(outcome, 'sent')
  } finally {
    server.close()
  }
})

test('a signal that is asked for after the caller hung up has fired', async () => {
  const signals: AbortSignal[] = []
  const route = routeFor<undefined>()
  const service = createService<undefined>({
    title: 'late', version: '1', description: 'Asks late', schemes: {},
    async authorize(request) { await closed(request); return undefined },
    routes: [route({ method: 'get', at: '/', id: 'late', summary: 'Asks late', access: 'public', answers: { 200: { description: 'Never seen' } }, handle({ signal }) { signals.push(signal); return json({}) } })],
  })
  using server = await serving((calls) => createListenerHandler(service, calls))
  hangUp(server.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await eventually('the handler has asked', () => signals.length === 1, 5000)
  assert.equal(signals[0]?.aborted, true)
})

test('a fetch handler that reads the body after the caller hung up is told', async () => {
  const outcomes: string[] = []
  using server = await serving((calls) => createFetchHandler({
    async fetch(request) {
      await once(request.signal, 'abort')
      outcomes.push(await request.text().then(() => 'read', () => 'broken'))
      return new Response('late')
    },
  }, calls))
  hangUp(server.port, announcing(100, 'half'))
  await eventually('reading has ended', () => outcomes.length === 1, 5000)
  assert.deepEqual(outcomes, ['broken'])
})

test('a stream that a fetch handler answers after the caller hung up is cancelled', async () => {
  let cancelled = 0
  using server = await serving((calls) => createFetchHandler({
    async fetch(request) {
      await once(request.signal, 'abort')
      return new Response(new ReadableStream({ cancel() { cancelled++ } }))
    },
  }, calls))
  hangUp(server.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await eventually('the stream is cancelled', () => cancelled === 1, 5000)
})

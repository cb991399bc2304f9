/** The load generator against servers that misbehave: what it calls good must be good. */
import { createServer, type Server, type Socket } from 'node:net'
import { equal, ok } from 'uvu/assert'
import { runLoad } from '../bench/server.ts'
import { cases, test } from '../kit.ts'

/** A server that says `answer` to each thing it hears. */
async function listen(answer: (socket: Socket) => void): Promise<AsyncDisposable & { url: string }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('data', () => answer(socket)).on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Case = { readonly name: string; readonly text: string; readonly isCut?: boolean; readonly kind?: RegExp }

cases('the load generator', [
  { name: 'takes an answer by its length', text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' },
  { name: 'takes a chunked answer', text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n' },
  { name: 'takes an answer after a 103', text: 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' },
  { name: 'takes an answer that ends with the connection', text: 'HTTP/1.1 200 OK\r\n\r\nhello', isCut: true },
  { name: 'counts a refusal with its words', text: 'HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\ngone', kind: /^502: gone$/ },
  { name: 'counts a connection cut before the answer', text: '', isCut: true, kind: /closed before the answer/ },
  { name: 'counts a connection cut inside the body', text: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', isCut: true, kind: /closed inside/ },
  { name: 'counts a connection cut inside a chunk', text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel', isCut: true, kind: /closed inside/ },
  { name: 'counts a body longer than it said', text: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello', kind: /3 bytes after the answer/ },
  { name: 'counts two lengths', text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello', kind: /two lengths/ },
  { name: 'counts a chunk longer than it said', text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n', kind: /chunk longer/ },
  { name: 'counts words that are not HTTP', text: 'hello\r\n\r\n', kind: /not a status line/ },
], async ({ text, isCut = false, kind }: Case) => {
  await using server = await listen((socket) => { socket[isCut ? 'end' : 'write'](text) })
  const report = await runLoad({ url: server.url, connections: 2, seconds: 0.2 })
  if (kind === undefined) {
    equal(report.failures, {})
    ok(report.good > 0)
    equal(report.answerBytes, report.good * 5)
  } else {
    equal(report.good, 0)
    ok(report.failed > 0)
    for (const one of Object.keys(report.failures)) ok(kind.test(one), one)
  }
})

test('an open loop sends every planned call and counts waiting as latency', async () => {
  const delayMs = 100
  await using server = await listen((socket) => {
    setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), delayMs)
  })
  // 200 a second that take 100 ms each need 20 connections: with 10, half of the second half's time is waiting.
  const narrow = await runLoad({ url: server.url, ratePerSecond: 200, seconds: 1, connections: 10 })
  equal(narrow.good, 200)
  ok(narrow.maxMs > 500, `the last call waited ${narrow.maxMs} ms`)
  const wide = await runLoad({ url: server.url, ratePerSecond: 200, seconds: 1, connections: 100 })
  equal(wide.good, 200)
  ok(wide.p50Ms >= delayMs - 1 && wide.p50Ms < narrow.p50Ms, `half of the calls took up to ${wide.p50Ms} ms`)
})

test('nothing that listens is a failure, not a silence', async () => {
  const server = await listen(() => undefined)
  await server[Symbol.asyncDispose]()
  const report = await runLoad({ url: server.url, connections: 1, seconds: 0.1 })
  equal(report.good, 0)
  ok(Object.keys(report.failures).every((kind) => kind.includes('ECONNREFUSED')), JSON.stringify(report.failures))
})

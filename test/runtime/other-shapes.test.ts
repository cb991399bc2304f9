import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { eventually, test } from '../kit.ts'
import { startFunction } from './start-function.ts'

const web = `const handler = { async fetch(request) {
  const { pathname } = new URL(request.url)
  if (pathname === '/echo') return new Response(request.body, { status: 202, headers: { 'x-a': 'b' } })
  if (pathname === '/throw') throw new Error('inner secret')
  return new Response(new ReadableStream({
    async pull(controller) {
      controller.enqueue(new TextEncoder().encode('tick\\n'))
      await new Promise((resolve) => setTimeout(resolve, 10))
    },
    cancel() { console.log('cancelled') },
  }), { headers: { 'content-type': 'text/event-stream' } })
} }`

test('a fetch handler streams the body through', async () => {
  await using fn = await startFunction(web)
  const body = 'x'.repeat(300_000)
  const answer = await fetch(`${fn.url}/echo`, { method: 'POST', body })
  assert.deepEqual([answer.status, answer.headers.get('x-a')], [202, 'b'])
  assert.equal(await answer.text(), body)
})

test('a fetch handler that throws is 500 without its text', async () => {
  await using fn = await startFunction(web)
  const answer = await fetch(`${fn.url}/throw`)
  assert.equal(answer.status, 500)
  assert.doesNotMatch(await answer.text(), /inner secret/)
})

test('a stream comes as it is made, and ends when its reader leaves', async () => {
  await using fn = await startFunction(web)
  const leaving = new AbortController()
  const answer = await fetch(`${fn.url}/ticks`, { signal: leaving.signal })
  const first = await answer.body?.getReader().read()
  assert.match(Buffer.from(first?.value ?? []).toString(), /^tick/)
  leaving.abort()
  await eventually('the stream was cancelled', () => fn.log().find(({ message }) => message === 'cancelled'))
})

test('an Express app is a listener', async () => {
  await using fn = await startFunction(`import express from 'express'
    const app = express()
    app.get('/hello/:name', (req, res) => { res.json({ hello: req.params.name }) })
    const handler = { listener: app }`)
  assert.deepEqual(await (await fetch(`${fn.url}/hello/ada`)).json(), { hello: 'ada' })
  assert.equal((await fetch(`${fn.url}/none`)).status, 404)
})

test('a listener takes WebSocket connections', async () => {
  await using fn = await startFunction(`import { WebSocketServer } from 'ws'
    const sockets = new WebSocketServer({ noServer: true })
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
    const handler = {
      listener: (req, res) => res.end('plain'),
      upgrade: (req, socket, head) => sockets.handleUpgrade(req, socket, head, (ws) => sockets.emit('connection', ws, req)),
    }`)
  const socket = new WebSocket(fn.url.replace('http', 'ws'))
  await once(socket, 'open')
  socket.send('ping')
  const [data]: unknown[] = await once(socket, 'message')
  assert.equal(String(data), 'ping')
  socket.terminate()
  assert.equal(await (await fetch(fn.url)).text(), 'plain')
})

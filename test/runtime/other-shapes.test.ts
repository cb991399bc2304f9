import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { eventually, test } from '../kit.ts'
import { startFunction } from '../start-function.ts'

test('a fetch handler streams the body through', async () => {
  await using fn = await startFunction('stream')
  const body = 'x'.repeat(300_000)
  const answer = await fetch(`${fn.url}/echo`, { method: 'POST', body })
  assert.deepEqual([answer.status, answer.headers.get('x-a')], [202, 'b'])
  assert.equal(await answer.text(), body)
})

test('a fetch handler that throws is 500 without its text', async () => {
  await using fn = await startFunction('stream')
  const answer = await fetch(`${fn.url}/throw`)
  assert.equal(answer.status, 500)
  assert.doesNotMatch(await answer.text(), /inner secret/)
})

test('a stream comes as it is made, and ends when its reader leaves', async () => {
  await using fn = await startFunction('stream')
  const leaving = new AbortController()
  const answer = await fetch(`${fn.url}/events`, { signal: leaving.signal })
  const first = await answer.body?.getReader().read()
  assert.match(Buffer.from(first?.value ?? []).toString(), /^id: 1\ndata: tick/)
  leaving.abort()
  await eventually('the stream was cancelled', () => fn.logs().find(({ message }) => message === 'cancelled'))
})

test('an Express app is a listener', async () => {
  await using fn = await startFunction('express')
  assert.deepEqual(await (await fetch(`${fn.url}/hello/ada`)).json(), { hello: 'ada' })
  assert.equal((await fetch(`${fn.url}/none`)).status, 404)
})

test('a listener takes WebSocket connections', async () => {
  await using fn = await startFunction('websocket')
  const socket = new WebSocket(fn.url.replace('http', 'ws'))
  await once(socket, 'open')
  socket.send('ping')
  const [data]: unknown[] = await once(socket, 'message')
  assert.equal(String(data), 'ping')
  socket.terminate()
  assert.equal((await fetch(fn.url)).status, 426)
})

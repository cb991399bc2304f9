import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { createAsyncCalls } from '../../platform/queue/accept.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import type { AsyncCalls, AsyncRequest, Queue } from '../../platform/queue/queue.ts'
import { cases, test } from '../kit.ts'
import { laneOf } from './contract.ts'
import { openEmbedded } from './world.ts'

const LIMIT_BYTES = 1_000

const requestOf = (headers: readonly string[] = [], body: Uint8Array = Buffer.from('body')): AsyncRequest => ({
  ref: { name: 'one', namespace: 'openfaas-fn' }, callId: 'a', method: 'PUT', path: '/x', headers, body,
})

function callsOver(queue: Queue): AsyncCalls {
  return createAsyncCalls({
    queue, bodyLimitBytes: LIMIT_BYTES, callbacks: createCallbackSender({ allowedHosts: [], timeoutMs: 1_000 }),
    dispatch: { cancel: async (callId) => { await queue.cancel(callId) } },
  })
}

test('a request becomes a message with all its headers, method and path', async () => {
  await using world = await openEmbedded()
  const headers = ['X-One', '1', 'X-Callback-Url', 'https://example.com/back']
  assert.deepEqual(await callsOver(world.queue).accept(requestOf(headers)), { callId: 'a', isDuplicate: false })
  const [delivery] = await world.queue.take(laneOf('one'), { count: 1, bytes: 1 }, 1_000)
  assert.deepEqual(delivery?.head, {
    kind: 'call', ref: { name: 'one', namespace: 'openfaas-fn' }, callId: 'a', method: 'PUT', path: '/x', headers, callbackUrl: 'https://example.com/back',
  })
})

test('X-Delay delays, X-Idempotency-Key recognises', async () => {
  await using world = await openEmbedded()
  const calls = callsOver(world.queue)
  await calls.accept(requestOf(['x-delay', '1h', 'x-idempotency-key', 'k']))
  assert.deepEqual(await world.queue.take(laneOf('one'), { count: 1, bytes: 1 }, 1_000), [])
  assert.deepEqual(await calls.accept({ ...requestOf(['X-Idempotency-Key', 'k']), callId: 'b' }), { callId: 'a', isDuplicate: true })
  await calls.cancel('a')
})

cases('refused', [
  { name: 'a body beyond the limit', request: requestOf([], Buffer.alloc(LIMIT_BYTES + 1)), code: 'TOO_LARGE' },
  { name: 'a delay that is none', request: requestOf(['X-Delay', 'soon']), code: 'INVALID' },
  { name: 'a delay beyond the longest', request: requestOf(['X-Delay', '1000h']), code: 'INVALID' },
  { name: 'a key that is too long', request: requestOf(['X-Idempotency-Key', 'k'.repeat(257)]), code: 'INVALID' },
  { name: 'a callback that is no URL', request: requestOf(['X-Callback-Url', 'there']), code: 'INVALID' },
  { name: 'a callback into this machine', request: requestOf(['X-Callback-Url', 'http://127.0.0.1/']), code: 'FORBIDDEN' },
], async ({ request, code }) => {
  await using world = await openEmbedded()
  await assert.rejects(callsOver(world.queue).accept(request), (error) => error instanceof BrambleError && error.code === code)
  assert.deepEqual(await world.queue.take(laneOf('one'), { count: 1, bytes: 1 }, 1_000), [])
})

test('an empty header is no header', async () => {
  await using world = await openEmbedded()
  await callsOver(world.queue).accept(requestOf(['X-Delay', '', 'X-Callback-Url', '', 'X-Idempotency-Key', '']))
  assert.equal((await world.queue.take(laneOf('one'), { count: 1, bytes: 1 }, 1_000)).length, 1)
})

/** What the port promises, as tests: one body for every adapter. An adapter's test file says how to get a queue that runs. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import type { Delivery, LaneState, NewMessage, Queue } from '../../platform/queue/queue.ts'
import { eventually, test } from '../kit.ts'

export type QueueWorld = AsyncDisposable & {
  readonly queue: Queue
  /** Ends it and starts another one on the same data. */
  restart(): Promise<Queue>
}

/** So small that the limit is met soon. */
export const CONTRACT_MAX_MESSAGES = 50
const LEASE_MS = 60_000
const ALL = { count: 1000, bytes: Infinity }

export function messageOf(name: string, callId: string, more: Partial<NewMessage> = {}): NewMessage {
  return {
    head: { kind: 'call', ref: { name, namespace: 'openfaas-fn' }, callId, method: 'POST', path: '/a?b=c', headers: ['X-One', '1'] },
    body: Buffer.from(`body of ${callId}`), ...more,
  }
}

export function laneOf(name: string): string {
  return `${name}.openfaas-fn`
}

/** The lanes as a listener knows them. */
export function follow(queue: Queue): { readonly lanes: Map<string, LaneState>; of(name: string): Omit<LaneState, 'name' | 'ref' | 'kind'> } {
  const lanes = new Map<string, LaneState>()
  queue.watch((lane) => lanes.set(lane.name, lane))
  return {
    lanes,
    of(name) {
      const { due = 0, delayed = 0, leased = 0, dead = 0 } = lanes.get(laneOf(name)) ?? {}
      return { due, delayed, leased, dead }
    },
  }
}

const idsOf = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ head }) => head.callId)
const code = (wanted: string) => (error: unknown): boolean => error instanceof BrambleError && error.code === wanted

export function queueContract(open: () => Promise<QueueWorld>): void {
  test('a message comes out as it went in, once', async () => {
    await using world = await open()
    const message = messageOf('one', 'a', { body: Buffer.from([0, 255, 10, 13]) })
    assert.deepEqual(await world.queue.enqueue(message), { callId: 'a', isDuplicate: false })
    const [delivery, ...more] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    assert.deepEqual(delivery?.head, message.head)
    assert.deepEqual([...delivery?.body ?? []], [0, 255, 10, 13])
    assert.equal(delivery?.attempts, 0)
    assert.equal(more.length, 0)
    assert.deepEqual(await world.queue.take(laneOf('one'), ALL, LEASE_MS), [])
  })

  test('messages of a lane come out oldest first, and lanes do not mix', async () => {
    await using world = await open()
    for (const id of ['a', 'b', 'c']) {
      await world.queue.enqueue(messageOf('one', id))
      await world.queue.enqueue(messageOf('two', `${id}2`))
    }
    assert.deepEqual(idsOf(await world.queue.take(laneOf('one'), { count: 2, bytes: Infinity }, LEASE_MS)), ['a', 'b'])
    assert.deepEqual(idsOf(await world.queue.take(laneOf('one'), ALL, LEASE_MS)), ['c'])
    assert.deepEqual(idsOf(await world.queue.take(laneOf('two'), ALL, LEASE_MS)), ['a2', 'b2', 'c2'])
  })

  test('no further message is taken once the bodies reach the limit', async () => {
    await using world = await open()
    for (const id of ['a', 'b', 'c']) await world.queue.enqueue(messageOf('one', id, { body: Buffer.alloc(100) }))
    assert.deepEqual(idsOf(await world.queue.take(laneOf('one'), { count: 10, bytes: 150 }, LEASE_MS)), ['a', 'b'])
    assert.deepEqual(idsOf(await world.queue.take(laneOf('one'), { count: 10, bytes: 0 }, LEASE_MS)), ['c'])
  })

  test('what is done does not come back, not even after a restart', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    await world.queue.enqueue(messageOf('one', 'b'))
    const [first] = await world.queue.take(laneOf('one'), { count: 1, bytes: Infinity }, LEASE_MS)
    assert.equal(await world.queue.settle(first?.lease ?? '', { kind: 'done' }), true)
    const next = await world.restart()
    assert.deepEqual(idsOf(await next.take(laneOf('one'), ALL, LEASE_MS)), ['b'])
  })

  test('a lease that ends makes the message due again, and its outcome void', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    const [late] = await world.queue.take(laneOf('one'), ALL, 50)
    const again = await eventually('the message is due again', async () => (await world.queue.take(laneOf('one'), ALL, LEASE_MS))[0])
    assert.equal(again.head.callId, 'a')
    assert.equal(await world.queue.settle(late?.lease ?? '', { kind: 'done' }), false)
    assert.equal(await world.queue.settle(again.lease, { kind: 'done' }), true)
  })

  test('a lease that is extended lasts', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    await world.queue.enqueue(messageOf('one', 'b'))
    const [kept] = await world.queue.take(laneOf('one'), { count: 1, bytes: Infinity }, 1_000)
    await world.queue.take(laneOf('one'), { count: 1, bytes: Infinity }, 1_100)
    await world.queue.extend([kept?.lease ?? ''], LEASE_MS)
    const back = await eventually('the other one is due again', async () => (await world.queue.take(laneOf('one'), ALL, LEASE_MS))[0])
    assert.equal(back.head.callId, 'b')
    assert.equal(await world.queue.settle(kept?.lease ?? '', { kind: 'done' }), true)
  })

  test('a retry waits its time and counts', async () => {
    await using world = await open()
    const seen = follow(world.queue)
    await world.queue.enqueue(messageOf('one', 'a'))
    const [first] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    const startMs = performance.now()
    await world.queue.settle(first?.lease ?? '', { kind: 'retry', delayMs: 300 })
    assert.deepEqual(seen.of('one'), { due: 0, delayed: 1, leased: 0, dead: 0 })
    await eventually('it is told to be due', () => seen.of('one').due === 1)
    assert.ok(performance.now() - startMs >= 299)
    assert.equal((await world.queue.take(laneOf('one'), ALL, LEASE_MS))[0]?.attempts, 1)
  })

  test('a delay and the tries survive a restart', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'later', { delayMs: 3_600_000 }))
    await world.queue.enqueue(messageOf('one', 'tried'))
    const [tried] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    await world.queue.settle(tried?.lease ?? '', { kind: 'retry', delayMs: 0 })
    const next = await world.restart()
    assert.deepEqual(follow(next).of('one'), { due: 1, delayed: 1, leased: 0, dead: 0 })
    const [again] = await next.take(laneOf('one'), ALL, LEASE_MS)
    assert.deepEqual([again?.head.callId, again?.attempts], ['tried', 1])
  })

  test('a released message is due at once and was not tried', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    const [first] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    await world.queue.settle(first?.lease ?? '', { kind: 'release' })
    assert.equal((await world.queue.take(laneOf('one'), ALL, LEASE_MS))[0]?.attempts, 0)
  })

  test('a callback takes the place of its call in one step', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    const [call] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    const { ref, callId } = messageOf('one', 'a').head
    const callback: NewMessage = { head: { kind: 'callback', ref, callId, url: 'http://example.com/', headers: ['X-Call-Id', 'a'] }, body: Buffer.from('answer') }
    await world.queue.settle(call?.lease ?? '', { kind: 'done', callback })
    const next = await world.restart()
    assert.deepEqual(await next.take(laneOf('one'), ALL, LEASE_MS), [])
    const [delivery] = await next.take(`${laneOf('one')} callback`, ALL, LEASE_MS)
    assert.deepEqual(delivery?.head, callback.head)
    assert.equal(Buffer.from(delivery?.body ?? []).toString(), 'answer')
  })

  test('the same idempotency key means the same call, also after it is done and after a restart', async () => {
    await using world = await open()
    const key = { idempotencyKey: 'k' }
    const both = await Promise.all([world.queue.enqueue(messageOf('one', 'a', key)), world.queue.enqueue(messageOf('one', 'b', key))])
    assert.deepEqual(both, [{ callId: 'a', isDuplicate: false }, { callId: 'a', isDuplicate: true }])
    assert.deepEqual(await world.queue.enqueue(messageOf('two', 'c', key)), { callId: 'c', isDuplicate: false })
    const [delivery, ...more] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    assert.equal(more.length, 0)
    await world.queue.settle(delivery?.lease ?? '', { kind: 'done' })
    const next = await world.restart()
    assert.deepEqual(await next.enqueue(messageOf('one', 'd', key)), { callId: 'a', isDuplicate: true })
  })

  test('a cancelled call is gone, whether it waits, is delayed or runs', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'runs'))
    const [running] = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    await world.queue.enqueue(messageOf('one', 'waits'))
    await world.queue.enqueue(messageOf('two', 'waits'))
    await world.queue.enqueue(messageOf('one', 'delayed', { delayMs: 100_000 }))
    assert.equal(await world.queue.cancel('waits'), 2)
    assert.equal(await world.queue.cancel('delayed'), 1)
    assert.equal(await world.queue.cancel('runs'), 1)
    assert.equal(await world.queue.cancel('unknown'), 0)
    assert.equal(await world.queue.settle(running?.lease ?? '', { kind: 'retry', delayMs: 0 }), false)
    const next = await world.restart()
    assert.deepEqual(follow(next).of('one'), { due: 0, delayed: 0, leased: 0, dead: 0 })
  })

  test('dead letters are kept, listed in pages, redriven and removed', async () => {
    await using world = await open()
    for (const id of ['a', 'b', 'c']) await world.queue.enqueue(messageOf('one', id))
    for (const { lease, head } of await world.queue.take(laneOf('one'), ALL, LEASE_MS)) {
      await world.queue.settle(lease, { kind: 'dead', reason: `no ${head.callId}` })
    }
    const next = await world.restart()
    const seen = follow(next)
    assert.deepEqual(seen.of('one'), { due: 0, delayed: 0, leased: 0, dead: 3 })
    const [a, b] = await next.dead.list({ limit: 2 })
    assert.deepEqual([a?.callId, a?.reason, a?.attempts, a?.ref.name, a?.kind, a?.bodyBytes], ['a', 'no a', 1, 'one', 'call', 9])
    assert.ok(a !== undefined && b !== undefined && a.diedAt >= a.enqueuedAt)
    assert.deepEqual((await next.dead.list({ limit: 2, after: b.id })).map(({ callId }) => callId), ['c'])
    assert.deepEqual(await next.dead.list({ limit: 2, ref: { name: 'two', namespace: 'openfaas-fn' } }), [])
    await next.dead.redrive(a.id)
    await next.dead.remove(b.id)
    await assert.rejects(next.dead.redrive(b.id), code('NOT_FOUND'))
    await assert.rejects(next.dead.remove('nonsense'), code('NOT_FOUND'))
    const [again] = await next.take(laneOf('one'), ALL, LEASE_MS)
    assert.deepEqual([again?.head.callId, again?.attempts], ['a', 0])
    assert.deepEqual(seen.of('one'), { due: 0, delayed: 0, leased: 1, dead: 1 })
  })

  test('a full queue is BUSY, and takes more when something is done', async () => {
    await using world = await open()
    const results = await Promise.allSettled(Array.from({ length: CONTRACT_MAX_MESSAGES + 1 }, (_, index) => world.queue.enqueue(messageOf('one', `m${index}`))))
    const refused = results.filter((result) => result.status === 'rejected')
    assert.equal(refused.length, 1)
    assert.ok(code('BUSY')(refused[0]?.reason))
    const [first] = await world.queue.take(laneOf('one'), { count: 1, bytes: Infinity }, LEASE_MS)
    await assert.rejects(world.queue.enqueue(messageOf('two', 'still full')), code('BUSY'))
    await world.queue.settle(first?.lease ?? '', { kind: 'done' })
    await world.queue.enqueue(messageOf('two', 'fits'))
  })

  test('a watcher knows every lane, and may leave', async () => {
    await using world = await open()
    await world.queue.enqueue(messageOf('one', 'a'))
    const calls: LaneState[] = []
    const stop = world.queue.watch((lane) => calls.push(lane))
    assert.deepEqual(calls, [{ name: laneOf('one'), ref: { name: 'one', namespace: 'openfaas-fn' }, kind: 'call', due: 1, delayed: 0, leased: 0, dead: 0 }])
    stop()
    await world.queue.enqueue(messageOf('one', 'b'))
    assert.equal(calls.length, 1)
  })

  test('a stopped queue is UNAVAILABLE, and stops and starts twice', async () => {
    await using world = await open()
    await world.queue.start()
    await world.queue.enqueue(messageOf('one', 'a'))
    await world.queue.stop()
    await world.queue.stop()
    await assert.rejects(world.queue.enqueue(messageOf('one', 'b')), code('UNAVAILABLE'))
    await world.queue.start()
    assert.deepEqual(idsOf(await world.queue.take(laneOf('one'), ALL, LEASE_MS)), ['a'])
  })
}

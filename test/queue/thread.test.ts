/** What the queue's own thread is for, what becomes of a damaged disk, and of a thread that dies. */
import * as assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { BrambleError } from '../../platform/lib/errors.ts'
import type { Queue } from '../../platform/queue/queue.ts'
import { eventually, test } from '../kit.ts'
import { follow, laneOf, messageOf } from './contract.ts'
import { openEmbedded } from './world.ts'

const LEASE_MS = 60_000
const ALL = { count: 1000, bytes: Infinity }
/** What waits for many syncs, on a machine that is busy. */
const SLOW = { timeoutMs: 90_000 }

test('while every fsync takes half a second the event loop is not held up', async () => {
  await using world = await openEmbedded({ threadFile: new URL('./slow-disk-thread.ts', import.meta.url) })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const startMs = performance.now()
  let isOver = false
  let accepted = 0
  await Promise.all(Array.from({ length: 50 }, async (_, caller) => {
    while (!isOver) {
      await world.queue.enqueue(messageOf('one', `${caller}-${accepted}`, { body: Buffer.alloc(1_000) }))
      accepted++
      isOver ||= performance.now() - startMs > 3_000
    }
  }))
  delay.disable()
  const p999Ms = delay.percentile(99.9) / 1e6
  console.log(`p99.9 ${p999Ms.toFixed(1)} ms over ${delay.count} samples, ${accepted} accepted in ${(performance.now() - startMs).toFixed(0)} ms`)
  assert.ok(accepted >= 150, 'group commit: one sync for all that wait')
  assert.ok(performance.now() - startMs > 1_500, 'the syncs were slow')
  // The goal is 20 ms on a machine to itself (the bench shows it); a sync on this thread would show as 500.
  assert.ok(p999Ms < 250, `p99.9 is ${p999Ms} ms`)
}, SLOW)

test('bodies that wait for a slow disk are bounded', async () => {
  await using world = await openEmbedded({ threadFile: new URL('./slow-disk-thread.ts', import.meta.url) })
  const results = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => world.queue.enqueue(messageOf('one', `${index}`, { body: Buffer.alloc(2 ** 20) }))))
  const refused = results.flatMap((result) => result.status === 'rejected' ? [result.reason as unknown] : [])
  assert.equal(refused.length, 8)
  assert.ok(refused.every((error) => error instanceof BrambleError && error.code === 'BUSY' && error.message.includes('too slow')))
  await world.queue.enqueue(messageOf('one', 'later'))
}, SLOW)

async function segmentsOf(dataDir: string): Promise<string[]> {
  return (await readdir(join(dataDir, 'queue'))).sort().map((name) => join(dataDir, 'queue', name))
}

test('a damaged record is told and stepped over, the others are there', async () => {
  await using world = await openEmbedded()
  for (const id of ['first', 'second', 'third']) await world.queue.enqueue(messageOf('one', id))
  await world.queue.stop()
  const [file = ''] = await segmentsOf(world.dataDir)
  const bytes = await readFile(file)
  const at = bytes.indexOf('body of second')
  bytes[at] = 0
  await writeFile(file, bytes)
  const next = await world.restart()
  assert.deepEqual((await next.take(laneOf('one'), ALL, LEASE_MS)).map(({ head }) => head.callId), ['first', 'third'])
  const told = world.lines.filter(({ level }) => level === 'error')
  assert.equal(told.length, 1)
  assert.match(String(told[0]?.['message']), /damaged record/)
  assert.equal(told[0]?.['file'], file)
  assert.ok(Number(told[0]?.['offset']) < at && Number(told[0]?.['offset']) + Number(told[0]?.['bytes']) > at)
})

test('a record that is damaged while it waits is told, and the others are delivered', async () => {
  await using world = await openEmbedded()
  for (const id of ['first', 'second', 'third']) await world.queue.enqueue(messageOf('one', id))
  const [file = ''] = await segmentsOf(world.dataDir)
  const bytes = await readFile(file)
  bytes[bytes.indexOf('body of second')] = 0
  await writeFile(file, bytes)
  assert.deepEqual((await world.queue.take(laneOf('one'), ALL, LEASE_MS)).map(({ head }) => head.callId), ['first', 'third'])
  const told = await eventually('it is told', () => world.lines.find(({ level }) => level === 'error'))
  assert.equal(told['callId'], 'second')
})

test('a torn end is cut and told, and the queue goes on behind it', async () => {
  await using world = await openEmbedded()
  for (const id of ['first', 'second']) await world.queue.enqueue(messageOf('one', id))
  await world.queue.stop()
  const [file = ''] = await segmentsOf(world.dataDir)
  await truncate(file, (await readFile(file)).length - 3)
  const next = await world.restart()
  await next.enqueue(messageOf('one', 'third'))
  const last = await world.restart()
  assert.deepEqual((await last.take(laneOf('one'), ALL, LEASE_MS)).map(({ head }) => head.callId), ['first', 'third'])
  assert.deepEqual(world.lines.filter(({ level }) => level !== 'debug').map(({ message }) => String(message).slice(0, 30)), ['the torn end of the queue was '])
})

test('files are for the platform alone', async () => {
  await using world = await openEmbedded()
  await world.queue.enqueue(messageOf('one', 'a'))
  const [file = ''] = await segmentsOf(world.dataDir)
  assert.equal(execFileSync('stat', ['-c', '%a', join(world.dataDir, 'queue'), file]).toString(), '700\n600\n')
})

test('the disk holds no more than a few times what waits', async () => {
  const segmentBytes = 64 * 1024
  await using world = await openEmbedded({ limits: { segmentBytes } })
  await world.queue.enqueue(messageOf('stays', 'stays'))
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 25 }, (_, index) => world.queue.enqueue(messageOf('one', `${round}-${index}`, { body: Buffer.alloc(2_000) }))))
    const taken = await world.queue.take(laneOf('one'), ALL, LEASE_MS)
    await Promise.all(taken.map(({ lease }) => world.queue.settle(lease, { kind: 'done' })))
  }
  // Two megabytes went through.
  await eventually('space is given back', async () => {
    const sizes = await Promise.all((await segmentsOf(world.dataDir)).map(async (file) => (await readFile(file).catch(() => Buffer.alloc(0))).length))
    return sizes.reduce((sum, size) => sum + size, 0) < 4 * segmentBytes
  })
  const next = await world.restart()
  assert.deepEqual((await next.take(laneOf('stays'), ALL, LEASE_MS)).map(({ head }) => head.callId), ['stays'])
  assert.deepEqual(world.lines, [])
}, SLOW)

test('dead letters beyond the limit push the oldest out, which is told', async () => {
  await using world = await openEmbedded({ limits: { maxDead: 2 } })
  for (const id of ['a', 'b', 'c', 'd']) {
    await world.queue.enqueue(messageOf('one', id))
    for (const { lease } of await world.queue.take(laneOf('one'), ALL, LEASE_MS)) await world.queue.settle(lease, { kind: 'dead', reason: 'no' })
  }
  assert.deepEqual((await world.queue.dead.list({ limit: 10 })).map(({ callId }) => callId), ['c', 'd'])
  assert.deepEqual(world.lines.map(({ callId }) => callId), ['a', 'b'])
})

test('a thread that dies is started again, and has everything', async () => {
  await using world = await openEmbedded({ threadFile: new URL('./mortal-thread.ts', import.meta.url) })
  const seen = follow(world.queue)
  await world.queue.enqueue(messageOf('one', 'kept'))
  await assert.rejects(world.queue.enqueue(messageOf('one', 'die')), (error) => error instanceof BrambleError && error.code === 'UNAVAILABLE')
  assert.equal(seen.of('one').due, 0)
  await eventually('it is back', () => seen.of('one').due === 1)
  assert.deepEqual((await world.queue.take(laneOf('one'), ALL, LEASE_MS)).map(({ head }) => head.callId), ['kept'])
})

test('of two platforms on one folder the later one works, and every acknowledged call is there', async () => {
  await using world = await openEmbedded({ limits: { segmentBytes: 2_000 } })
  const acknowledged: string[] = []
  let number = 0
  const flood = async (queue: Queue): Promise<void> => {
    // Until it is shut out.
    for (;;) {
      const callId = `call-${number++}`
      const accepted = await queue.enqueue(messageOf('one', callId)).catch(() => undefined)
      if (accepted === undefined) return
      acknowledged.push(callId)
    }
  }
  let queue = world.queue
  for (let round = 0; round < 10; round++) {
    const floods = Promise.all(Array.from({ length: 5 }, () => flood(queue)))
    const before = acknowledged.length
    await eventually('some are acknowledged', () => acknowledged.length > before + 20)
    const later = world.another()
    await later.start()
    await floods
    queue = later
  }
  const found = (await queue.take(laneOf('one'), { count: 1e6, bytes: Infinity }, LEASE_MS)).map(({ head }) => head.callId)
  assert.deepEqual(acknowledged.filter((callId) => !found.includes(callId)), [])
  assert.equal(found.length, new Set(found).size)
}, SLOW)

test('a folder that cannot be made is said at the start', async () => {
  await using world = await openEmbedded()
  await writeFile(join(world.dataDir, 'file'), '')
  await assert.rejects(openEmbedded({ dataDir: join(world.dataDir, 'file') }), /the queue in .*file\/queue cannot be opened/)
})

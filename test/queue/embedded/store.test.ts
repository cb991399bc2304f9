/** The store without its thread, on a disk and with clocks that do as they are told. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../../platform/lib/errors.ts'
import type { LogFile, LogFiles } from '../../../platform/queue/embedded/log-files.ts'
import { createStore, type Store, type StoredMessage } from '../../../platform/queue/embedded/store.ts'
import type { StoreLimits } from '../../../platform/queue/embedded/coming.ts'
import { KEY_LIFE_MS } from '../../../platform/queue/embedded/keys.ts'
import { test } from '../../kit.ts'
import { createForgetfulDisk } from './forgetful-log-files.ts'

const LANE = 'f.n'
const ALL = { count: 1_000, bytes: Infinity }
const limits: StoreLimits = { maxMessages: 100, maxBytes: 1e6, maxDead: 10, maxDeadBytes: 1e6, maxKeys: 100 }

const message = (callId: string, more: Partial<StoredMessage> = {}): StoredMessage => ({
  head: { kind: 'call', ref: { name: 'f', namespace: 'n' }, callId, method: 'POST', path: '', headers: [] }, body: Buffer.from(callId), delayMs: 0, ...more,
})

type Bench = {
  readonly clock: { wallMs: number; nowMs: number }
  readonly reports: string[]
  open(): Store
  /** The same on what a power cut would leave. */
  openAfterCut(): Store
  /** A failure of the disk, for the next calls of this kind. */
  fail: { write: boolean; sync: boolean; create: boolean }
  /** What the disk says it still takes. */
  free: { bytes: number }
  names(): readonly string[]
}

function bench(more: Partial<StoreLimits> = {}): Bench {
  const clock = { wallMs: Date.parse('2026-06-01'), nowMs: 5_000 }
  const reports: string[] = []
  const free = { bytes: Infinity }
  const fail = { write: false, sync: false, create: false }
  const disk = createForgetfulDisk()
  const view = disk.view()
  const broken = (kind: keyof typeof fail): void => { if (fail[kind]) throw new Error('no space left on device') }
  const fragile = (file: LogFile): LogFile => {
    let isPoisoned = false
    return {
      ...file,
      write(bytes, offset) {
        if (fail.write) file.write(bytes.subarray(0, bytes.length / 2), offset)
        broken('write')
        file.write(bytes, offset)
      },
      // As the kernel does it: after a failure the pages count as clean, and later syncs say yes without having written them.
      sync() {
        isPoisoned ||= fail.sync
        broken('sync')
        if (!isPoisoned) file.sync()
      },
    }
  }
  const files: LogFiles = {
    ...view,
    create(path) { broken('create'); return fragile(view.create(path)) },
    open: (path) => fragile(view.open(path)),
    freeBytes: () => free.bytes,
  }
  const openOn = (files: LogFiles): Store => {
    const store = createStore({
      files, folder: '/data/queue', limits: { ...limits, ...more }, wallMs: () => clock.wallMs, nowMs: () => clock.nowMs,
      report: (level, text) => { reports.push(`${level}: ${text}`) },
    })
    store.open()
    return store
  }
  return { clock, reports, fail, free, names: () => view.names('/data/queue'), open: () => openOn(files), openAfterCut: () => openOn(disk.survivors('nothing').view()) }
}

/** Asks, commits, and answers or throws what came of it. */
function ask<T>(store: Store, question: (done: (error: BrambleError | undefined, value: T | undefined) => void) => void): T | undefined {
  let result: { error: BrambleError | undefined; value: T | undefined } | undefined
  question((error, value) => { result = { error, value } })
  store.commit()
  assert.ok(result, 'it was answered')
  if (result.error !== undefined) throw result.error
  return result.value
}
const enqueue = (store: Store, one: StoredMessage) => ask(store, (done: Parameters<Store['enqueue']>[1]) => store.enqueue(one, done))
const take = (store: Store): string[] => {
  store.tick()
  return store.take(LANE, ALL, 1e9).map(({ head }) => head.callId)
}
const code = (wanted: string) => (error: unknown): boolean => error instanceof BrambleError && error.code === wanted

test('a wall clock that goes back neither delays a message beyond its time nor hurries it', () => {
  const world = bench()
  const store = world.open()
  enqueue(store, message('at once'))
  enqueue(store, message('in a minute', { delayMs: 60_000 }))
  world.clock.wallMs -= 365 * 24 * 3_600_000
  const next = world.open()
  assert.deepEqual(take(next), ['at once'])
  world.clock.nowMs += 59_999
  assert.deepEqual(take(next), [])
  world.clock.nowMs += 1
  assert.deepEqual(take(next), ['in a minute'])
})

test('a wall clock that jumps ahead while it runs changes nothing', () => {
  const world = bench()
  const store = world.open()
  enqueue(store, message('later', { delayMs: 60_000 }))
  world.clock.wallMs += 1e9
  assert.deepEqual(take(store), [])
  assert.equal(store.untilTickMs(), 60_000)
})

test('time that passed while it was off counts', () => {
  const world = bench()
  enqueue(world.open(), message('later', { delayMs: 60_000 }))
  world.clock.wallMs += 45_000
  assert.equal(world.open().untilTickMs(), 15_000)
})

test('an idempotency key is forgotten after a day, not before', () => {
  const world = bench()
  enqueue(world.open(), message('first', { key: 'k' }))
  world.clock.wallMs += KEY_LIFE_MS
  assert.deepEqual(enqueue(world.open(), message('again', { key: 'k' })), { callId: 'first', isDuplicate: true })
  world.clock.wallMs += 1
  assert.deepEqual(enqueue(world.open(), message('new', { key: 'k' })), { callId: 'new', isDuplicate: false })
})

test('keys are bounded: the oldest goes first', () => {
  const store = bench({ maxKeys: 2 }).open()
  for (const key of ['a', 'b', 'c']) enqueue(store, message(key, { key }))
  assert.deepEqual(['c', 'b', 'a'].map((key) => enqueue(store, message('again', { key }))?.isDuplicate), [true, true, false])
})

for (const kind of ['write', 'sync'] as const) {
  test(`when a ${kind} fails the caller is told, what was kept stays, and it goes on when the disk does`, () => {
    const world = bench()
    const store = world.open()
    enqueue(store, message('before'))
    world.fail[kind] = true
    assert.throws(() => enqueue(store, message('lost')), code('UNAVAILABLE'))
    assert.throws(() => enqueue(store, message('lost too')), code('UNAVAILABLE'))
    world.fail[kind] = false
    enqueue(store, message('after'))
    assert.deepEqual(take(store), ['before', 'after'])
    assert.deepEqual(take(world.openAfterCut()), ['before', 'after'])
    assert.deepEqual(take(world.open()), ['before', 'after'])
    assert.deepEqual(world.reports, ['error: the queue cannot be written', 'error: the queue cannot be written'])
  })
}

test('when no file can be made the caller is told, and it goes on later', () => {
  const world = bench()
  const store = world.open()
  world.fail.create = true
  assert.throws(() => enqueue(store, message('lost')), code('UNAVAILABLE'))
  world.fail.create = false
  enqueue(store, message('kept'))
  assert.deepEqual(take(world.open()), ['kept'])
})

test('however often a full disk is tried, it leaves no file behind', () => {
  for (const kind of ['write', 'sync'] as const) {
    const world = bench()
    const store = world.open()
    enqueue(store, message('kept'))
    const before = world.names().length
    world.fail[kind] = true
    for (let index = 0; index < 20; index++) assert.throws(() => enqueue(store, message(`lost ${index}`)), code('UNAVAILABLE'))
    world.fail[kind] = false
    assert.equal(world.names().length, before)
    enqueue(store, message('kept, too'))
    assert.deepEqual(take(world.open()), ['kept', 'kept, too'])
  }
})

test('on a disk that is nearly full outcomes are kept and segments given back, but no further call is taken', () => {
  const segmentBytes = 1_000
  const world = bench({ segmentBytes })
  const store = world.open()
  for (let index = 0; index < 20; index++) enqueue(store, message(`${index}`, { body: Buffer.alloc(200) }))
  world.free.bytes = 2 * segmentBytes + 199
  assert.throws(() => enqueue(store, message('one more', { body: Buffer.alloc(200) })), code('UNAVAILABLE'))
  const before = world.names().length
  for (const { lease } of store.take(LANE, ALL, 1e9)) assert.equal(ask(store, (done: Parameters<Store['settle']>[2]) => store.settle(lease, { kind: 'done' }, done)), true)
  while (store.clean());
  assert.ok(world.names().length < before)
  world.free.bytes = 1e6
  enqueue(store, message('there is room'))
  assert.deepEqual(take(store), ['there is room'])
})

test('an outcome that cannot be kept does not count: the message comes again', () => {
  const world = bench()
  const store = world.open()
  enqueue(store, message('a'))
  const [delivery] = store.take(LANE, ALL, 1_000)
  world.fail.sync = true
  assert.throws(() => ask(store, (done: Parameters<Store['settle']>[2]) => store.settle(delivery?.lease ?? '', { kind: 'done' }, done)), code('UNAVAILABLE'))
  world.fail.sync = false
  world.clock.nowMs += 1_000
  assert.deepEqual(take(store), ['a'])
})

test('the bytes that wait are bounded, and given free again', () => {
  const store = bench({ maxBytes: 3_000 }).open()
  enqueue(store, message('a', { body: Buffer.alloc(1_000) }))
  enqueue(store, message('b', { body: Buffer.alloc(1_000) }))
  assert.throws(() => enqueue(store, message('c', { body: Buffer.alloc(1_000) })), code('BUSY'))
  const [first] = store.take(LANE, { count: 1, bytes: 1 }, 1_000)
  ask(store, (done: Parameters<Store['settle']>[2]) => store.settle(first?.lease ?? '', { kind: 'done' }, done))
  enqueue(store, message('c', { body: Buffer.alloc(1_000) }))
})

test('dead letters are bounded in bytes too', () => {
  const world = bench({ maxDeadBytes: 2_500 })
  const store = world.open()
  for (const id of ['a', 'b', 'c']) {
    enqueue(store, message(id, { body: Buffer.alloc(1_000) }))
    const [one] = store.take(LANE, ALL, 1_000)
    ask(store, (done: Parameters<Store['settle']>[2]) => store.settle(one?.lease ?? '', { kind: 'dead', reason: 'no' }, done))
  }
  assert.deepEqual(store.listDead({ limit: 10 }).map(({ callId }) => callId), ['b', 'c'])
  assert.deepEqual(world.reports, ['warn: a dead letter was dropped for a newer one'])
})

test('of two that die at the same time each dropped letter is told once', () => {
  const world = bench({ maxDead: 1 })
  const store = world.open()
  for (const id of ['a', 'b', 'c']) enqueue(store, message(id))
  const [first, ...others] = store.take(LANE, ALL, 1_000)
  const die = (lease = ''): void => store.settle(lease, { kind: 'dead', reason: 'no' }, () => undefined)
  die(first?.lease)
  store.commit()
  for (const { lease } of others) die(lease)
  store.commit()
  assert.deepEqual(world.reports, ['warn: a dead letter was dropped for a newer one'])
})

test('the lease of an earlier start means nothing', () => {
  const world = bench()
  const store = world.open()
  enqueue(store, message('a'))
  const [early] = store.take(LANE, ALL, 60_000)
  const next = world.open()
  assert.deepEqual(take(next), ['a'])
  assert.equal(ask(next, (done: Parameters<Store['settle']>[2]) => next.settle(early?.lease ?? '', { kind: 'done' }, done)), false)
})

test('whoever opens last owns the log: the other one acknowledges nothing more, and disturbs nothing', () => {
  const world = bench({ segmentBytes: 300 })
  const old = world.open()
  for (let round = 0; round < 6; round++) enqueue(old, message(`old ${round}`))
  const [finished] = old.take(LANE, { count: 1, bytes: 1 }, 1_000)
  const next = world.open()
  assert.throws(() => old.checkOwner(), code('CONFLICT'))
  // What it still writes may be found by the next start, but counts as older than what the owner has written.
  assert.throws(() => enqueue(old, message('late')), code('UNAVAILABLE'))
  assert.throws(() => ask(old, (done: Parameters<Store['settle']>[2]) => old.settle(finished?.lease ?? '', { kind: 'retry', delayMs: 0 }, done)), code('UNAVAILABLE'))
  assert.equal(old.clean(), false)
  for (const { lease } of next.take(LANE, ALL, 1_000)) ask(next, (done: Parameters<Store['settle']>[2]) => next.settle(lease, { kind: 'done' }, done))
  enqueue(next, message('new'))
  assert.deepEqual(take(world.open()).filter((callId) => callId !== 'late'), ['new'])
})

test('numbers are not given out again after all has been given back', () => {
  const world = bench({ segmentBytes: 200 })
  let store = world.open()
  const seen = new Set<string>()
  for (let round = 0; round < 30; round++) {
    enqueue(store, message(`m${round}`))
    for (const { lease } of store.take(LANE, ALL, 1_000)) {
      const number = lease.split('.')[1] ?? ''
      assert.ok(!seen.has(number), `number ${number} came twice`)
      seen.add(number)
      ask(store, (done: Parameters<Store['settle']>[2]) => store.settle(lease, { kind: 'done' }, done))
    }
    while (store.clean()) { /* all that it can */ }
    store = world.open()
  }
  assert.equal(seen.size, 30)
})

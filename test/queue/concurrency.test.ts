import * as assert from 'node:assert/strict'
import { adapt, startPace, type Pace, type Sample } from '../../platform/queue/concurrency.ts'
import { test } from '../kit.ts'

const MAX = 100

/** A function that takes so many at a time, and whose calls take so long; rounds of as many calls as allowed. */
function run(pace: Pace, rounds: number, world: { readonly capacity: number; readonly msAt: (inFlight: number) => number }): Pace {
  for (let round = 0; round < rounds; round++) {
    const { limit, generation } = pace
    for (let call = 0; call < limit; call++) {
      const isBusy = call >= world.capacity
      pace = adapt(pace, { generation, ms: isBusy ? undefined : world.msAt(limit), isBusy, wasFull: true }, MAX)
    }
  }
  return pace
}

test('it grows to the limit while the function keeps its speed', () => {
  const { limit } = run(startPace, 200, { capacity: 1000, msAt: () => 50 })
  assert.equal(limit, MAX)
})

test('it settles around what a function takes before it says 429', () => {
  let pace = run(startPace, 100, { capacity: 16, msAt: () => 50 })
  for (let round = 0; round < 50; round++) {
    pace = run(pace, 1, { capacity: 16, msAt: () => 50 })
    assert.ok(pace.limit >= 8 && pace.limit <= 17, `limit ${pace.limit}`)
  }
})

test('it settles far below the limit when calls become slower with their number', () => {
  const { limit } = run(startPace, 3000, { capacity: 1000, msAt: (inFlight) => 50 * Math.max(1, inFlight / 4) })
  assert.ok(limit >= 2 && limit <= 16, `limit ${limit}`)
})

test('a 429 halves it at once, and the others of the same round do not halve it again', () => {
  const pace = { ...startPace, limit: 32 }
  const busy: Sample = { generation: pace.generation, ms: undefined, isBusy: true, wasFull: true }
  const once = adapt(pace, busy, MAX)
  assert.equal(once.limit, 16)
  assert.equal(adapt(adapt(once, busy, MAX), busy, MAX).limit, 16)
})

test('it never falls below one', () => {
  let pace = startPace
  for (let time = 0; time < 10; time++) pace = adapt(pace, { generation: pace.generation, ms: undefined, isBusy: true, wasFull: true }, MAX)
  assert.equal(pace.limit, 1)
})

test('a function that has become slower for good is not held down for ever', () => {
  const before = run(startPace, 50, { capacity: 1000, msAt: () => 10 })
  const after = run(before, 400, { capacity: 1000, msAt: () => 200 })
  assert.ok(after.limit > 10, `limit ${after.limit}`)
})

test('calls that do not use the limit do not raise it', () => {
  let pace = startPace
  for (let time = 0; time < 100; time++) pace = adapt(pace, { generation: 0, ms: 5, isBusy: false, wasFull: false }, MAX)
  assert.equal(pace.limit, startPace.limit)
})

test('calls that take very different times by themselves do not hold it down', () => {
  let seed = 7
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  const { limit } = run(startPace, 300, { capacity: 1000, msAt: () => (random() < 0.5 ? 10 : 500) })
  assert.ok(limit > 20, `limit ${limit}`)
})

/** What `decide` makes of loads, in simulated time. */
import * as assert from 'node:assert/strict'
import { cases, test } from '../kit.ts'
import { recordedLoad } from './recorded-load.ts'
import { simulate, type World } from './simulator.ts'

const label = (name: string, value: string): Readonly<Record<string, string>> => ({ [`com.openfaas.scale.${name}`]: value })
const rps = { ...label('type', 'rps'), ...label('target', '50') }
/** What one replica carries at the usual proportion. */
const EACH = 45
const step = (before: number, after: number, atSeconds: number, untilSeconds = Infinity) =>
  (seconds: number): number => (seconds < atSeconds || seconds >= untilSeconds ? before : after)

/** `need` replicas are for the highest load of any second; where calls come by chance that is one more than for the mean. */
const shapes: readonly (World & { readonly name: string; readonly need: number; readonly turns: number })[] = [
  { name: 'a step', load: step(1, 200, 20, 120), seconds: 200, labels: rps, need: 5, turns: 1 },
  { name: 'a ramp', load: (seconds) => Math.min(400, seconds * 4), seconds: 180, labels: rps, need: 10, turns: 3 },
  { name: 'a spike of one second', load: step(10, 400, 20, 21), seconds: 120, labels: rps, need: 10, turns: 1 },
  { name: 'a sine of a minute', load: (s) => 200 + 150 * Math.sin(s * Math.PI / 30), seconds: 300, labels: rps, need: 9, turns: 10 },
  { name: 'bursts of one second', load: (s) => (s % 10 < 1 ? 200 : 0), seconds: 120, labels: rps, need: 5, turns: 2 },
  { name: 'on and off', load: (s) => (s % 20 < 10 ? 200 : 0), seconds: 200, labels: rps, need: 5, turns: 0 },
  { name: 'on and off slower than the window', load: (s) => (s % 120 < 60 ? 200 : 0), seconds: 480, labels: rps, need: 6, turns: 7 },
  { name: 'a steady load', load: () => 200, seconds: 600, replicas: 5, labels: rps, need: 6, turns: 2 },
  { name: 'a steady load that comes evenly', load: () => 200, seconds: 600, arrivals: 'even', labels: rps, need: 5, turns: 0 },
]

cases('replicas follow the load, without a replica too many and without a useless turn', shapes, (world) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const story = simulate({ ...world, seed })
    assert.ok(story.most() <= world.need, `${story.most()} replicas where ${world.need} are enough (seed ${seed})`)
    assert.ok(story.turns() <= world.turns, `${story.turns()} turns (seed ${seed}): ${JSON.stringify(story.changes)}`)
    assert.ok(story.changes.every((one) => one.to > one.from || one.waiting === 0), 'no replica goes while calls wait')
  }
})

test('a step of the load is answered within 2 s, and by all the replicas it needs', () => {
  for (const offset of [0, 0.1, 0.25, 0.4, 0.49]) {
    const story = simulate({ labels: rps, load: step(1, 200, 20 + offset), seconds: 30 })
    assert.equal(story.at(20), 1)
    assert.equal(story.at(22 + offset), 5)
  }
})

test('a load that needs all replicas brings them in one step', () => {
  const story = simulate({ labels: rps, load: step(0, 4000, 20), slots: 100, seconds: 25 })
  assert.equal(story.changes.length, 1)
  assert.deepEqual([story.changes[0]?.from, story.changes[0]?.to], [1, 20])
  assert.ok((story.changes[0]?.atMs ?? Infinity) <= 22_000)
})

test('a load recorded at a gateway is followed up and down, twice', () => {
  const labels = { ...rps, ...label('down.window', '10s') }
  const story = simulate({ labels, load: (seconds) => recordedLoad[Math.floor(seconds)] ?? 0, arrivals: 'even', seconds: recordedLoad.length })
  assert.ok(story.most() <= Math.ceil(Math.max(...recordedLoad) / EACH))
  assert.deepEqual([story.at(24), story.at(30), story.at(79), story.at(84), story.at(recordedLoad.length - 1)], [1, 4, 2, 6, 1])
  assert.equal(story.turns(), 3)
})

cases('chance alone hardly ever brings a replica', [
  { name: '3 calls a second where 4.5 are for each', target: '5', perSecond: 3 },
  { name: '14 calls a second where 18 are for each', target: '20', perSecond: 14 },
  { name: 'a call each second where 1.8 are for each', target: '2', perSecond: 1 },
], ({ target, perSecond }) => {
  const changes = [1, 2, 3, 4, 5, 6].map((seed) => simulate({ labels: label('target', target), load: () => perSecond, seconds: 600, seed }).changes.length)
  assert.ok(changes.reduce((sum, count) => sum + count) <= 20, `${changes} changes in an hour`)
})

test('no replica goes while calls wait, though the load that brought them is over', () => {
  const story = simulate({ labels: rps, load: step(200, 0, 20), callMs: 1_000, slots: 4, seconds: 150 })
  assert.ok(story.latenciesMs.some((ms) => ms > 60_000), 'calls have waited for longer than the window')
  assert.ok(story.changes.every((one) => one.to > one.from || one.waiting === 0), JSON.stringify(story.changes))
})

test('fewer replicas only after the whole window has asked for fewer', () => {
  const story = simulate({ labels: { ...rps, ...label('down.window', '2m') }, load: step(200, 1, 30), seconds: 200 })
  const down = story.changes.find((one) => one.to < one.from)
  assert.ok(down !== undefined && down.atMs > 150_000 && down.atMs <= 165_000, JSON.stringify(down))
})

test('calls under way count, not calls begun, when the type is capacity', () => {
  const labels = { ...label('type', 'capacity'), ...label('target', '10') }
  const story = simulate({ labels, load: step(1, 40, 20), arrivals: 'even', callMs: 1_000, seconds: 60, slots: 40 })
  assert.equal(story.at(55), 5, '40 calls of a second each are 40 under way, and 9 are for each replica')
  assert.equal(story.most(), 5)
})

test('calls that pile up while replicas start bring more replicas, and none goes before they are worked off', () => {
  const labels = { ...label('type', 'capacity'), ...label('target', '10') }
  const story = simulate({ labels, load: step(1, 400, 20, 80), callMs: 200, startMs: 3_000, seconds: 200 })
  assert.equal(story.most(), 20)
  assert.ok(story.changes.every((one) => one.to > one.from || one.waiting === 0))
  assert.equal(story.at(199), 1)
  assert.ok(story.turns() <= 2)
})

test('the CPU that starts use brings no replicas', () => {
  const labels = { ...label('type', 'cpu'), ...label('target', '500') }
  const world = { labels, load: step(1, 100, 20), milliCoresPerCall: 200, startMs: 1_000, seconds: 120 }
  const quiet = simulate({ ...world, milliCoresPerStart: 0 })
  const noisy = simulate({ ...world, milliCoresPerStart: 5_000 })
  assert.ok(quiet.most() >= 3)
  assert.equal(noisy.most(), quiet.most())
  assert.equal(noisy.turns(), 0)
})

test('queued calls count when the type is queue', () => {
  const labels = { ...label('type', 'queue'), ...label('target', '100'), ...label('target-proportion', '1') }
  const story = simulate({ labels, load: () => 0, backlog: step(0, 500, 10, 40), seconds: 120 })
  assert.equal(story.at(11), 5)
  assert.equal(story.at(100), 1)
})

test('with min and max alone, more than 5 calls a second bring a step, and a minute after them the minimum is back', () => {
  const labels = { ...label('min', '1'), ...label('max', '10'), ...label('factor', '30') }
  const story = simulate({ labels, load: step(10, 0, 35), seconds: 95 })
  assert.deepEqual(story.changes.map(({ from, to }) => [from, to]), [[1, 4], [4, 7], [7, 1]])
  assert.ok((story.changes[0]?.atMs ?? Infinity) <= 15_000)
  assert.ok((story.changes.at(-1)?.atMs ?? Infinity) <= 95_000)
})

cases('nothing is scaled', [
  { name: 'a function without scaling labels', labels: {}, load: () => 500, seconds: 60, replicas: 3 },
  { name: 'equal bounds', labels: { ...label('min', '2'), ...label('max', '2') }, load: () => 500, seconds: 60, replicas: 2 },
  { name: 'up to 5 calls a second with min and max alone', labels: label('max', '5'), load: () => 4.9, arrivals: 'even', seconds: 60 },
  { name: 'a function that sleeps', labels: rps, load: () => 0, seconds: 60, replicas: 0 },
] satisfies (World & { name: string })[], (world: World) => assert.deepEqual(simulate(world).changes, []))

const sleepy = { ...label('zero', 'true'), ...label('zero-duration', '2s') }

test('without work for the time it says a function goes to sleep, from any number of replicas', () => {
  const story = simulate({ labels: sleepy, load: () => 0, seconds: 10, replicas: 3 })
  assert.deepEqual(story.changes.map(({ atMs, to }) => [atMs, to]), [[2_000, 0]])
})

test('a long call keeps its replica to its end, and for the idle time after it', () => {
  const story = simulate({ labels: sleepy, load: step(100, 0, 0.01), arrivals: 'even', callMs: 600_000, seconds: 610 })
  assert.deepEqual(story.changes.map(({ to }) => to), [0])
  const atMs = story.changes[0]?.atMs ?? 0
  assert.ok(atMs >= 602_000 && atMs <= 602_500, `asleep at ${atMs} ms`)
})

test('a trickle is put to sleep and woken, and every call is answered', () => {
  const story = simulate({ labels: sleepy, load: (s) => (s % 5 < 0.01 ? 100 : 0), arrivals: 'even', seconds: 60 })
  assert.equal(story.latenciesMs.length, story.calls)
  assert.equal(story.changes.filter(({ to }) => to === 0).length, 12)
})

test('queued calls and a run that is due soon keep a function awake', () => {
  const queued = simulate({ labels: sleepy, load: () => 0, backlog: step(1, 0, 20), seconds: 30 })
  const due = simulate({ labels: sleepy, load: () => 0, isDueSoon: (seconds) => seconds < 20, seconds: 30 })
  assert.ok((queued.changes[0]?.atMs ?? 0) >= 21_500)
  assert.deepEqual(due.changes.map(({ atMs, to }) => [atMs, to]), [[20_000, 0]])
})

test(`about ${EACH} calls a second are for each replica at the usual target of 50`, () => {
  const counts = [40, 88, 130, 178].map((load) => simulate({ labels: label('type', 'rps'), load: () => load, arrivals: 'even', seconds: 30 }).at(29))
  assert.deepEqual(counts, [1, 2, 3, 4])
})

/** The loop in simulated time: days in seconds, with restarts, jumps of the clock and functions that take long. */
import * as assert from 'node:assert/strict'
import { test } from '../kit.ts'
import { createSimulation, functionOf, HOUR_MS, type Simulation } from './simulation.ts'

const MINUTE_MS = 60_000
const SECOND_MS = 1_000
const LIMIT = { timeoutMs: 150_000 }

/** `12:10`, of the moments that runs were made for. */
const times = ({ made }: Simulation, name?: string): string[] =>
  made.filter((one) => name === undefined || one.name === name).map(({ dueMs }) => new Date(dueMs).toISOString().slice(11, 16))

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Auckland']
const patterns = ['*/5 * * * *', '30 2 * * *', '15 1,2,3 * * *', '0 * * * *', '45 0-6 * * *', '10 */4 * * *', '30 1 * * *', '0,20 2 * * *']

/** The minutes that a pattern of numbers, lists, ranges and steps means on the wall of a zone, each once. */
function expected(pattern: string, zone: string, fromMs: number, toMs: number): number[] {
  const [minutes = '', hours = ''] = pattern.split(' ')
  const matches = (field: string, value: number): boolean => field.split(',').some((part) => {
    const [range = '', step] = part.split('/')
    if (step !== undefined) return value % Number(step) === 0
    const [low, high = low] = range.split('-').map(Number)
    return range === '*' || (low !== undefined && high !== undefined && value >= low && value <= high)
  })
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const seen = new Set<string>()
  const found: number[] = []
  for (let ms = fromMs; ms <= toMs; ms += MINUTE_MS) {
    const local = format.format(ms)
    const [hour = 0, minute = 0] = local.slice(-5).split(':').map(Number)
    if (!matches(minutes, minute) || !matches(hours, hour)) continue
    if (!seen.has(local) && ms > fromMs) found.push(ms)
    seen.add(local)
  }
  return found
}

for (const [season, day] of [['into summer', '2026-03-28T22:00:00Z'], ['out of summer', '2026-10-24T22:00:00Z']] as const) {
  test(`a hundred functions, a day ${season}, a dozen restarts: each run is made, and none twice`, async () => {
    const all = Array.from({ length: 100 }, (_, index) => ({
      name: `f${index}`, pattern: patterns[index % patterns.length] ?? '', zone: zones[index % zones.length] ?? '',
    }))
    const world = createSimulation(all.map(({ name, pattern, zone }) => functionOf(name, { schedule: pattern, 'bramble/timezone': zone })), day)
    world.callMs = (name) => Number(name.slice(1)) * 20
    const startMs = world.nowMs()
    await world.start()
    await world.pass(30 * SECOND_MS)
    for (let restart = 0; restart < 12; restart++) {
      // Some fall on full minutes, when much is going on.
      await world.pass(2 * HOUR_MS - (restart % 3) * 7_919 - 20 * SECOND_MS)
      if (restart % 2 === 0) world.kill()
      else await world.stop()
      await world.pass(restart * 3 * SECOND_MS)
      await world.start()
    }
    await world.pass(HOUR_MS)
    const endMs = world.nowMs()
    let count = 0
    for (const { name, pattern, zone } of all) {
      const made = world.made.filter((one) => one.name === name).map(({ dueMs }) => dueMs)
      assert.deepEqual(made.map((ms) => new Date(ms).toISOString()), expected(pattern, zone, startMs, endMs).map((ms) => new Date(ms).toISOString()),
        `${name}: ${pattern} in ${zone}`)
      count += made.length
    }
    assert.ok(count > 4_000, `${count} runs`)
    const late = world.made.map(({ dueMs, atMs }) => atMs - dueMs)
    assert.ok(Math.max(...late) < MINUTE_MS && Math.min(...late) >= 0)
  }, LIMIT)
}

test('runs missed while nothing ran are left out, made up for by one, or each', async () => {
  const world = createSimulation(['none', 'one', 'all'].map((how) =>
    functionOf(how, { schedule: '0 * * * *', 'bramble/catch-up': how })), '2026-06-01T09:30:00Z')
  await world.start()
  await world.pass(HOUR_MS)
  world.kill()
  await world.pass(3 * HOUR_MS)
  await world.start()
  await world.pass(HOUR_MS)
  assert.deepEqual(times(world, 'none'), ['10:00', '14:00'])
  assert.deepEqual(times(world, 'one'), ['10:00', '11:00', '14:00'])
  assert.deepEqual(times(world, 'all'), ['10:00', '11:00', '12:00', '13:00', '14:00'])
})

test('a run that takes longer than its interval is left alone, waited for, or joined by the next', async () => {
  const world = createSimulation(['skip', 'queue', 'allow'].map((how) =>
    functionOf(how, { schedule: '*/10 * * * *', 'bramble/overlap': how })), '2026-06-01T09:55:00Z')
  world.callMs = () => 25 * MINUTE_MS
  await world.start()
  await world.pass(HOUR_MS)
  const began = (name: string): string[] => world.made.filter((one) => one.name === name).map(({ atMs }) => new Date(atMs).toISOString().slice(11, 16))
  assert.deepEqual(began('skip'), ['10:00', '10:30'])
  assert.deepEqual(began('queue'), ['10:00', '10:25', '10:50'])
  assert.deepEqual(times(world, 'queue'), ['10:00', '10:10', '10:20'])
  assert.deepEqual(began('allow'), ['10:00', '10:10', '10:20', '10:30', '10:40', '10:50'])
  assert.equal(world.cron().list('openfaas-fn').find(({ name }) => name === 'skip')?.lastSkipped, '2026-06-01T10:50:00.000Z')
})

test('a clock that jumps ahead by a year fires no thousand runs', async () => {
  const world = createSimulation(['none', 'one', 'all'].map((how) =>
    functionOf(how, { schedule: '* * * * *', 'bramble/catch-up': how })), '2026-06-01T09:59:30Z')
  await world.start()
  await world.pass(MINUTE_MS)
  world.jump(365 * 24 * HOUR_MS)
  await world.pass(10 * SECOND_MS)
  const count = (name: string): number => world.made.filter((one) => one.name === name).length
  assert.deepEqual([count('none'), count('one'), count('all')], [2, 2, 101])
  await world.pass(MINUTE_MS)
  assert.deepEqual([count('none'), count('one'), count('all')], [3, 3, 102])
})

test('a clock that was years ahead and is put right sleeps for none of them', async () => {
  const world = createSimulation([functionOf('f', { schedule: '*/10 * * * *;@every 10m' })], '2036-06-01T10:05:00Z')
  await world.start()
  await world.pass(10 * MINUTE_MS)
  world.jump(-10 * 365 * 24 * HOUR_MS)
  world.made.length = 0
  await world.pass(20 * MINUTE_MS)
  assert.equal(world.made.filter(({ schedule }) => schedule === '@every 10m').length, 2)
  assert.equal(world.made.filter(({ schedule }) => schedule !== '@every 10m').length, 2)
})

test('a clock that is corrected by seconds repeats no run', async () => {
  const world = createSimulation([functionOf('f', { schedule: '*/10 * * * *' })], '2026-06-01T10:05:00Z')
  await world.start()
  await world.pass(5 * MINUTE_MS + SECOND_MS)
  for (let time = 0; time < 5; time++) {
    world.jump(-8 * SECOND_MS)
    await world.pass(7 * SECOND_MS)
  }
  await world.pass(HOUR_MS)
  assert.deepEqual(times(world), ['10:10', '10:20', '10:30', '10:40', '10:50', '11:00'])
})

test('a run that a kill has cut off is shown as interrupted, and not repeated', async () => {
  const world = createSimulation([functionOf('f', { schedule: '0 * * * *' })], '2026-06-01T09:59:00Z')
  world.callMs = () => MINUTE_MS
  await world.start()
  await world.pass(MINUTE_MS + 10 * SECOND_MS)
  world.kill()
  await world.start()
  await world.pass(10 * SECOND_MS)
  const [status] = world.cron().list('openfaas-fn')
  assert.equal(status?.lastRun?.outcome, 'interrupted')
  assert.equal(status?.nextRun, '2026-06-01T11:00:00.000Z')
  assert.deepEqual(times(world), ['10:00'])
})

test('a kill in the very moment in which a run begins does not double it', async () => {
  const world = createSimulation([functionOf('f', { schedule: '0 * * * *' })], '2026-06-01T09:59:00Z')
  world.callMs = () => MINUTE_MS
  await world.start()
  await world.pass(MINUTE_MS + 5)
  assert.deepEqual(times(world), ['10:00'])
  world.kill()
  await world.start()
  await world.pass(30 * SECOND_MS)
  assert.deepEqual(times(world), ['10:00'])
})

test('how a run ended is known, and still is after a restart', async () => {
  const world = createSimulation([functionOf('f', { schedule: '0 * * * *' })], '2026-06-01T09:59:00Z')
  world.status = 500
  world.callMs = () => 1_500
  await world.start()
  await world.pass(MINUTE_MS + 500)
  assert.equal(world.cron().list('openfaas-fn')[0]?.lastRun?.outcome, 'running')
  await world.pass(10 * SECOND_MS)
  const run = {
    due: '2026-06-01T10:00:00.000Z', started: '2026-06-01T10:00:00.000Z', outcome: 'failed', ended: '2026-06-01T10:00:01.500Z', status: 500,
  }
  assert.deepEqual(world.cron().list('openfaas-fn')[0]?.lastRun, run)
  world.kill()
  await world.start()
  assert.deepEqual(world.cron().list('openfaas-fn')[0]?.lastRun, run)
})

test('a function deployed, changed and removed while it runs is seen to be', async () => {
  const world = createSimulation([], '2026-06-01T09:30:00Z')
  await world.start()
  await world.pass(20 * MINUTE_MS)
  world.specs.push(functionOf('f', { schedule: '0 * * * *' }))
  await world.pass(20 * MINUTE_MS)
  world.specs[0] = functionOf('f', { schedule: '30 * * * *' })
  await world.pass(HOUR_MS)
  world.specs.length = 0
  await world.pass(HOUR_MS)
  assert.deepEqual(times(world), ['10:00', '10:30'])
  assert.deepEqual(world.cron().list('openfaas-fn'), [])
})

test('a function that is new or gone is known to be at the next look, not seconds later', async () => {
  const world = createSimulation([functionOf('old', { schedule: '0 * * * *' })], '2026-06-01T09:59:57Z')
  await world.start()
  await world.pass(1_000)
  world.deploy(functionOf('new', { schedule: '0 * * * *' }))
  await world.pass(1_000)
  world.remove('old')
  await world.pass(MINUTE_MS)
  assert.deepEqual(world.made.map(({ name }) => name), ['new'])
})

test('a function whose annotations make no sense disturbs no other', async () => {
  const world = createSimulation([functionOf('bad', { schedule: '99 * * * *' }), functionOf('good', { schedule: '0 * * * *' })], '2026-06-01T09:59:00Z')
  await world.start()
  await world.pass(2 * MINUTE_MS)
  assert.deepEqual(times(world), ['10:00'])
})

test('while the provider cannot be asked, what is known goes on', async () => {
  const world = createSimulation([functionOf('f', { schedule: '*/10 * * * *' })], '2026-06-01T10:05:00Z')
  await world.start()
  world.isDown = true
  await world.pass(20 * MINUTE_MS)
  assert.deepEqual(times(world), ['10:10', '10:20'])
})

test('when a function is due is known beforehand', async () => {
  const world = createSimulation([functionOf('f', { schedule: '0 * * * *;30 * * * *' })], '2026-06-01T10:05:00Z')
  await world.start()
  assert.equal(world.cron().dueInMs({ name: 'f', namespace: 'openfaas-fn' }), 25 * MINUTE_MS)
  assert.equal(world.cron().dueInMs({ name: 'g', namespace: 'openfaas-fn' }), Infinity)
})

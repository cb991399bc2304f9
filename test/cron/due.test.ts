import * as assert from 'node:assert/strict'
import { dueRuns, nextRunMs, MAX_CATCH_UP } from '../../platform/cron/due.ts'
import { jitterOfRun, planJobs, type Job } from '../../platform/cron/plan.ts'
import { BrambleError } from '../../platform/lib/errors.ts'
import { cases, test } from '../kit.ts'

const T = Date.parse('2026-06-01T12:00:00Z')
const MINUTE = 60_000
const HOUR = 60 * MINUTE

function job(annotations: Readonly<Record<string, string>>): Job {
  const [one] = planJobs({ name: 'f', namespace: 'n', annotations: { topic: 'cron-function', schedule: '*/10 * * * *', ...annotations } })
  assert.ok(one)
  return one
}
const minutes = (list: readonly number[]): number[] => list.map((ms) => (ms - T) / MINUTE)
const catchUp = (how: string): Record<string, string> => ({ 'bramble/catch-up': how })

cases('of what is due since it was last looked at', [
  { name: 'nothing before its moment', done: 0, now: 9.99, runs: [], upTo: 0 },
  { name: 'the run at its moment', done: 0, now: 10, runs: [10], upTo: 10 },
  { name: 'a run that is a little late', done: 0, now: 10.9, runs: [10], upTo: 10 },
  { name: 'no run that was missed', done: 0, now: 15, runs: [], upTo: 15 },
  { name: 'after many missed ones the one that is only late', done: 0, now: 100.5, runs: [100], upTo: 100 },
  { name: 'one for all that were missed', annotations: catchUp('one'), done: 0, now: 55, runs: [10], upTo: 55 },
  { name: 'one that was missed', annotations: catchUp('one'), done: 0, now: 15, runs: [10], upTo: 15 },
  { name: 'each that was missed', annotations: catchUp('all'), done: 0, now: 35, runs: [10, 20, 30], upTo: 30 },
  { name: 'of several that are late the last', annotations: { schedule: '@every 10s' }, done: 0, now: 0.75, runs: [40 / 60], upTo: 40 / 60 },
  { name: 'nothing that comes again because the clock was set back a little', done: 10, now: 9.5, runs: [], upTo: 10 },
  { name: 'what comes again because the clock was far ahead', done: 9_999_999, now: 9.5, runs: [], upTo: 9.5 },
  { name: 'nothing twice', done: 10, now: 10, runs: [], upTo: 10 },
] satisfies { name: string; annotations?: Record<string, string>; done: number; now: number; runs: number[]; upTo: number }[],
({ annotations = {}, done, now, runs, upTo }: { annotations?: Record<string, string>; done: number; now: number; runs: number[]; upTo: number }) => {
  const due = dueRuns(job(annotations), T + done * MINUTE, T, T + now * MINUTE)
  assert.deepEqual(minutes(due.runs), runs)
  assert.equal((due.doneMs - T) / MINUTE, upTo)
})

test('a clock that was a year behind makes up for a hundred runs, not for thousands, and is done with them', () => {
  const year = 365 * 24 * HOUR
  const every = job({ schedule: '* * * * *', ...catchUp('all') })
  const due = dueRuns(every, T, T, T + year)
  assert.equal(due.runs.length, MAX_CATCH_UP)
  assert.equal(due.doneMs, T + year)
  for (const how of ['none', 'one']) {
    assert.equal(dueRuns(job({ schedule: '* * * * *', ...catchUp(how) }), T, T, T + year + 1).runs.length, 1)
  }
})

test('a clock that is set back by years does not keep a job waiting for them', () => {
  const due = dueRuns(job({}), T + 10 * 365 * 24 * HOUR, T, T + 5 * MINUTE)
  assert.equal(nextRunMs(job({}), due.doneMs, T), T + 10 * MINUTE)
  const every = job({ schedule: '@every 10m' })
  const anchored = dueRuns(every, T + 365 * 24 * HOUR, T + 365 * 24 * HOUR, T + 5 * MINUTE)
  assert.ok(nextRunMs(every, anchored.doneMs, T + 365 * 24 * HOUR) - T <= 15 * MINUTE)
})

test('jitter delays each run by an amount that is always the same for it, and loses none', () => {
  const jittered = job({ 'bramble/jitter': '5m' })
  const delays = Array.from({ length: 200 }, (_, index) => jitterOfRun(jittered, T + index * 10 * MINUTE))
  assert.deepEqual(delays, Array.from({ length: 200 }, (_, index) => jitterOfRun(jittered, T + index * 10 * MINUTE)))
  assert.ok(delays.every((ms) => ms >= 0 && ms <= 5 * MINUTE) && Math.max(...delays) - Math.min(...delays) > 4 * MINUTE)
  let doneMs = T
  const runs: number[] = []
  for (let nowMs = T; nowMs < T + 24 * HOUR; nowMs += MINUTE) {
    const due = dueRuns(jittered, doneMs, T, nowMs)
    doneMs = due.doneMs
    for (const run of due.runs) {
      assert.ok(nowMs - run - jitterOfRun(jittered, run) < MINUTE)
      runs.push(run)
    }
  }
  assert.deepEqual(minutes(runs), Array.from({ length: runs.length }, (_, index) => (index + 1) * 10))
  assert.ok(runs.length >= 143)
})

cases('a function plans', [
  { name: 'nothing without the topic', annotations: { schedule: '* * * * *' }, jobs: [] },
  { name: 'nothing for another topic', annotations: { topic: 'payments', schedule: '* * * * *' }, jobs: [] },
  { name: 'a schedule', annotations: { topic: 'cron-function', schedule: '0 3 * * *' }, jobs: ['0 3 * * *'] },
  { name: 'one topic of several', annotations: { topic: 'a, cron-function', schedule: '0 3 * * *' }, jobs: ['0 3 * * *'] },
  { name: 'several schedules', annotations: { topic: 'cron-function', schedule: '0 3 * * *; @hourly ;@every 5m;' }, jobs: ['0 3 * * *', '@hourly', '@every 5m'] },
  { name: 'the same twice once', annotations: { topic: 'cron-function', schedule: '@hourly;@hourly' }, jobs: ['@hourly'] },
] satisfies { name: string; annotations: Record<string, string>; jobs: string[] }[],
({ annotations, jobs }: { annotations: Record<string, string>; jobs: string[] }) =>
  assert.deepEqual(planJobs({ name: 'f', namespace: 'n', annotations }).map(({ schedule }) => schedule.text), jobs))

cases('annotations that make no sense are refused', [
  { name: 'no schedule', annotations: { schedule: ' ' }, says: 'no annotation schedule for the topic cron-function' },
  { name: 'separators and nothing between', annotations: { schedule: ' ; ;' }, says: 'no annotation schedule for the topic cron-function' },
  { name: 'the second schedule', annotations: { schedule: '@hourly; 0 99 * * *' }, says: 'at character 12: the hour "99"' },
  { name: 'a time zone', annotations: { 'bramble/timezone': 'Mars/One' }, says: 'bramble/timezone "Mars/One"' },
  { name: 'catching up', annotations: catchUp('some'), says: 'none, one, all' },
  { name: 'overlap', annotations: { 'bramble/overlap': 'kill' }, says: 'skip, queue, allow' },
  { name: 'a way to call', annotations: { 'bramble/invocation': 'later' }, says: 'sync, async' },
  { name: 'jitter without unit', annotations: { 'bramble/jitter': '30' }, says: 'bramble/jitter' },
  { name: 'jitter of a day', annotations: { 'bramble/jitter': '24h' }, says: '1h at most' },
] satisfies { name: string; annotations: Record<string, string>; says: string }[],
({ annotations, says }: { annotations: Record<string, string>; says: string }) => assert.throws(() => job(annotations),
  (error) => error instanceof BrambleError && error.code === 'INVALID' && (error.message.includes(says) || assert.fail(error.message))))

/** Expressions against a reading of their own: minute by minute, with the time zone database of the runtime. */
import * as assert from 'node:assert/strict'
import { BrambleError } from '../../platform/lib/errors.ts'
import { parseSchedule } from '../../platform/cron/schedule.ts'
import { cases, test } from '../kit.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

function runs(text: string, zone: string, from: string, to: string, anchor = from): string[] {
  const schedule = parseSchedule(text, 1, zone)
  const found: string[] = []
  for (let ms = schedule.next(Date.parse(from) - 1, Date.parse(anchor)); ms !== undefined && ms < Date.parse(to); ms = schedule.next(ms, Date.parse(anchor))) {
    found.push(new Date(ms).toISOString().replace(':00.000Z', 'Z'))
  }
  return found
}

/** What a person would write on the wall: each local minute that matches, once. */
function onTheWall(minutes: readonly number[], hours: readonly number[], zone: string, from: string, to: string): string[] {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const seen = new Set<string>()
  const found: string[] = []
  for (let ms = Date.parse(from); ms < Date.parse(to); ms += MINUTE_MS) {
    const local = format.format(ms)
    const [hour, minute] = local.slice(-5).split(':').map(Number)
    if (hour === undefined || minute === undefined || !minutes.includes(minute) || !hours.includes(hour)) continue
    if (!seen.has(local)) found.push(new Date(ms).toISOString().replace(':00.000Z', 'Z'))
    seen.add(local)
  }
  return found
}

const all = Array.from({ length: 24 }, (_, hour) => hour)

cases('summer time skips what it skips, and what it repeats runs once', [
  { name: 'into summer, a fixed time', text: '30 2 * * *', minutes: [30], hours: [2], zone: 'Europe/Berlin', from: '2026-03-27T12:00Z' },
  { name: 'into summer, each quarter of an hour', text: '*/15 * * * *', minutes: [0, 15, 30, 45], hours: all, zone: 'Europe/Berlin', from: '2026-03-27T12:00Z' },
  { name: 'out of summer, a fixed time', text: '30 2 * * *', minutes: [30], hours: [2], zone: 'Europe/Berlin', from: '2026-10-23T12:00Z' },
  { name: 'out of summer, each quarter of an hour', text: '*/15 * * * *', minutes: [0, 15, 30, 45], hours: all, zone: 'Europe/Berlin', from: '2026-10-23T12:00Z' },
  { name: 'out of summer, the end of the repeated hour', text: '0 3 * * *', minutes: [0], hours: [3], zone: 'Europe/Berlin', from: '2026-10-23T12:00Z' },
  { name: 'another continent, into summer', text: '30 2,3 * * *', minutes: [30], hours: [2, 3], zone: 'America/New_York', from: '2026-03-07T00:00Z' },
  { name: 'another continent, out of summer', text: '30 1,2 * * *', minutes: [30], hours: [1, 2], zone: 'America/New_York', from: '2026-10-31T00:00Z' },
  { name: 'a change at midnight', text: '30 0 * * *', minutes: [30], hours: [0], zone: 'America/Havana', from: '2026-03-06T00:00Z' },
  { name: 'half an hour, into summer', text: '15 2 * * *', minutes: [15], hours: [2], zone: 'Australia/Lord_Howe', from: '2026-10-02T00:00Z' },
  { name: 'no summer time', text: '30 2 * * *', minutes: [30], hours: [2], zone: 'UTC', from: '2026-03-27T12:00Z' },
  { name: 'a zone with an odd offset', text: '0 9 * * *', minutes: [0], hours: [9], zone: 'Asia/Kathmandu', from: '2026-03-27T12:00Z' },
], ({ text, minutes, hours, zone, from }) => {
  const to = new Date(Date.parse(from) + 4 * 24 * HOUR_MS).toISOString()
  const expected = onTheWall(minutes, hours, zone, from, to)
  assert.ok(expected.length > 0)
  assert.deepEqual(runs(text, zone, from, to), expected)
})

test('half an hour that is repeated runs once, too', () => {
  const found = runs('45 1 * * *', 'Australia/Lord_Howe', '2026-04-03T00:00Z', '2026-04-07T00:00Z')
  assert.equal(found.length, 4)
})

test('asked at any minute around both changes, the next run is never in the past', () => {
  for (const text of ['30 2 * * *', '*/20 * * * *', '0 * * * *']) {
    const schedule = parseSchedule(text, 1, 'Europe/Berlin')
    for (const day of ['2026-03-29T00:00Z', '2026-10-25T00:00Z']) {
      for (let ms = Date.parse(day); ms < Date.parse(day) + 4 * HOUR_MS; ms += 7 * MINUTE_MS) {
        const next = schedule.next(ms, 0) ?? 0
        assert.ok(next > ms, `${text} after ${new Date(ms).toISOString()}: ${new Date(next).toISOString()}`)
      }
    }
  }
})

type Meaning = { name: string; text: string; from: string; to: string; is: string[]; anchor?: string }

cases('an expression means', [
  { name: 'either day', text: '0 0 13 * 5', from: '2026-11-01', to: '2026-11-15', is: ['2026-11-06T00:00Z', '2026-11-13T00:00Z'] },
  { name: 'names', text: '0 12 * feb MON', from: '2026-01-01', to: '2026-02-10', is: ['2026-02-02T12:00Z', '2026-02-09T12:00Z'] },
  { name: 'the last day', text: '0 0 L * *', from: '2026-02-01', to: '2026-04-01', is: ['2026-02-28T00:00Z', '2026-03-31T00:00Z'] },
  { name: 'a leap day', text: '0 0 29 2 *', from: '2026-01-01', to: '2029-01-01', is: ['2028-02-29T00:00Z'] },
  { name: 'a nickname', text: '@daily', from: '2026-01-01', to: '2026-01-03', is: ['2026-01-01T00:00Z', '2026-01-02T00:00Z'] },
  { name: 'midnight', text: '@midnight', from: '2026-01-01', to: '2026-01-02', is: ['2026-01-01T00:00Z'] },
  { name: 'an interval from where it began', text: '@every 90m', from: '2026-01-01T00:01Z', anchor: '2026-01-01', to: '2026-01-01T04:00Z', is: ['2026-01-01T01:30Z', '2026-01-01T03:00Z'] },
  { name: 'more spaces', text: '0   6  *\t* *', from: '2026-01-01', to: '2026-01-02', is: ['2026-01-01T06:00Z'] },
] satisfies Meaning[], ({ text, from, to, is, anchor }: Meaning) => assert.deepEqual(runs(text, 'UTC', from, to, anchor), is))

cases('a bad expression is refused, with the place', [
  { name: 'too few fields', text: '* * * *', says: 'character 18: it has 4 fields' },
  { name: 'seconds', text: '0 * * * * *', says: 'character 21: it has 6 fields' },
  { name: 'nothing', text: '', says: '0 fields' },
  { name: 'a minute that does not exist', text: '60 * * * *', says: 'character 11: the minute "60"' },
  { name: 'an hour that does not exist', text: '0 24 * * *', says: 'character 13: the hour "24"' },
  { name: 'a month that does not exist', text: '0 0 1 13 *', says: 'character 17: the month "13"' },
  { name: 'a word', text: '0 0 * * someday', says: 'character 19: the day of week "someday"' },
  { name: 'a range backwards', text: '30-10 * * * *', says: 'character 11: the minute "30-10"' },
  { name: 'a step of nothing', text: '*/0 * * * *', says: 'the minute "*/0"' },
  { name: 'a list with a hole', text: '0 1,,2 * * *', says: 'character 13: the hour "1,,2"' },
  { name: 'a day that never comes', text: '0 0 30 2 *', says: 'no such day' },
  { name: 'an unknown nickname', text: '@reboot', says: 'there is no "@reboot"' },
  { name: 'every without what', text: '@every', says: '@every 5m' },
  { name: 'every of nothing', text: '@every 0s', says: '1s at least' },
  { name: 'every of too little', text: '@every 500ms', says: '1s at least' },
  { name: 'every of a word', text: '@every day', says: 'the interval must be a duration' },
  { name: 'a date', text: '2026-01-01T00:00:00', says: '1 fields' },
], ({ text, says }) => assert.throws(() => parseSchedule(text, 11, 'UTC'),
  (error) => error instanceof BrambleError && error.code === 'INVALID' && error.message.includes(says) || assert.fail(String(error))))

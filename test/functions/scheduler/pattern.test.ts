/**
 * Patterns of the Open Cron Pattern Specification, version by version; every answer was worked out with a calendar. 2026 begins on a
 * Thursday; February has 28 days; 2028 is the next leap year.
 */
import * as assert from 'node:assert/strict'
import { readPattern } from '../../../functions/scheduler/schedule/pattern.ts'
import { cases, test } from '../../kit.ts'

/** Moments after `from` as text; `zone` is UTC where nothing is said. */
function moments(text: string, from: string, count: number, zone = 'UTC'): readonly string[] {
  const pattern = readPattern(text, zone)
  assert.ok(typeof pattern !== 'string', String(pattern))
  const found: string[] = []
  for (let ms = pattern.next(Date.parse(from) - 1); ms !== undefined && found.length < count; ms = pattern.next(ms)) found.push(new Date(ms).toISOString().replace('.000Z', 'Z'))
  return found
}

type Case = { readonly name: string; readonly text: string; readonly from: string; readonly is: readonly string[]; readonly zone?: string }

function means({ text, from, is, zone }: Case): void {
  const dates = is.map((one) => one.length === 10 ? `${one}T00:00:00Z` : one.replace(/T(\d\d:\d\d)Z$/, 'T$1:00Z'))
  assert.deepEqual(moments(text, from, dates.length, zone), dates)
}

cases('OCPS 1.0 (five fields)', [
  { name: 'a list of minutes', text: '5,10,55 * * * *', from: '2026-01-01T00:06Z', is: ['2026-01-01T00:10Z', '2026-01-01T00:55Z', '2026-01-01T01:05Z'] },
  { name: 'a range of hours', text: '0 9-11 * * *', from: '2026-01-01', is: ['2026-01-01T09:00Z', '2026-01-01T10:00Z', '2026-01-01T11:00Z', '2026-01-02T09:00Z'] },
  { name: 'a step of a range', text: '10-40/15 3 * * *', from: '2026-01-01', is: ['2026-01-01T03:10Z', '2026-01-01T03:25Z', '2026-01-01T03:40Z', '2026-01-02T03:10Z'] },
  { name: 'a step that does not divide the hour begins anew', text: '*/25 * * * *', from: '2026-01-01', is: ['2026-01-01T00:00Z', '2026-01-01T00:25Z', '2026-01-01T00:50Z', '2026-01-01T01:00Z'] },
  { name: 'the first and the last minute', text: '0,59 23 31 12 *', from: '2026-01-01', is: ['2026-12-31T23:00Z', '2026-12-31T23:59Z'] },
  { name: 'months without a 31st are left out', text: '0 0 31 * *', from: '2026-01-31T12:00Z', is: ['2026-03-31', '2026-05-31', '2026-07-31', '2026-08-31', '2026-10-31', '2026-12-31'] },
  { name: 'names of months, in any case', text: '0 0 1 mar,SEP *', from: '2026-01-01', is: ['2026-03-01', '2026-09-01'] },
  { name: 'a range of names', text: '0 0 * * Sat-Sun', from: '2026-01-01', is: ['2026-01-03', '2026-01-04', '2026-01-10'] },
  { name: 'Sunday as 0', text: '0 0 * * 0', from: '2026-01-01', is: ['2026-01-04', '2026-01-11'] },
  { name: 'Sunday as 7', text: '0 0 * * 7', from: '2026-01-01', is: ['2026-01-04', '2026-01-11'] },
  { name: 'Friday to Sunday, with 7', text: '0 0 * * 5-7', from: '2026-01-01', is: ['2026-01-02', '2026-01-03', '2026-01-04', '2026-01-09'] },
  { name: 'day of month or day of week', text: '0 0 15 * MON', from: '2026-01-06', is: ['2026-01-12', '2026-01-15', '2026-01-19', '2026-01-26', '2026-02-02'] },
  { name: 'a day of month alone', text: '0 0 15 * *', from: '2026-01-06', is: ['2026-01-15', '2026-02-15'] },
  { name: 'a day of week alone', text: '0 0 * * TUE', from: '2026-01-07', is: ['2026-01-13', '2026-01-20'] },
  { name: 'across the end of a year', text: '30 23 31 12 *', from: '2026-12-31T23:31Z', is: ['2027-12-31T23:30Z'] },
  { name: 'the moment itself counts, the one before does not', text: '0 12 * * *', from: '2026-05-05T12:00Z', is: ['2026-05-05T12:00Z', '2026-05-06T12:00Z'] },
] satisfies Case[], means)

cases('OCPS 1.1 (nicknames)', [
  { name: '@yearly', text: '@yearly', from: '2026-02-01', is: ['2027-01-01', '2028-01-01'] },
  { name: '@annually', text: '@annually', from: '2026-02-01', is: ['2027-01-01'] },
  { name: '@monthly', text: '@monthly', from: '2026-01-02', is: ['2026-02-01', '2026-03-01'] },
  { name: '@weekly, on Sundays', text: '@weekly', from: '2026-01-01', is: ['2026-01-04', '2026-01-11'] },
  { name: '@daily', text: '@daily', from: '2026-02-27T00:01Z', is: ['2026-02-28', '2026-03-01', '2026-03-02'] },
  { name: '@daily, from midnight on', text: '@daily', from: '2028-02-28', is: ['2028-02-28', '2028-02-29', '2028-03-01'] },
  { name: '@midnight, which is @daily', text: '@midnight', from: '2026-12-30T12:00Z', is: ['2026-12-31', '2027-01-01'] },
  // Half past five hours ahead.
  { name: '@daily, where the time zone has its midnight', text: '@daily', zone: 'Asia/Kolkata', from: '2026-01-01', is: ['2026-01-01T18:30Z', '2026-01-02T18:30Z'] },
  { name: '@Weekly, in any case', text: '@Weekly', from: '2026-01-05', is: ['2026-01-11', '2026-01-18'] },
  { name: '@hourly', text: '@hourly', from: '2026-01-01T00:01Z', is: ['2026-01-01T01:00Z', '2026-01-01T02:00Z'] },
] satisfies Case[], means)

cases('OCPS 1.2 (seconds and years)', [
  { name: 'seconds before the five', text: '15,45 0 0 1 1 *', from: '2026-06-01', is: ['2027-01-01T00:00:15Z', '2027-01-01T00:00:45Z', '2028-01-01T00:00:15Z'] },
  { name: 'a step of seconds', text: '*/20 59 23 * * *', from: '2026-01-01', is: ['2026-01-01T23:59:00Z', '2026-01-01T23:59:20Z', '2026-01-01T23:59:40Z', '2026-01-02T23:59:00Z'] },
  { name: 'without seconds it is the first', text: '7 * * * *', from: '2026-01-01T00:07:01Z', is: ['2026-01-01T01:07:00Z'] },
  { name: 'a year behind', text: '0 0 12 1 1 * 2028', from: '2026-01-01', is: ['2028-01-01T12:00Z'] },
  { name: 'a range of years', text: '0 0 0 29 2 * 2026-2033', from: '2026-01-01', is: ['2028-02-29', '2032-02-29'] },
  { name: 'a list of years', text: '30 0 0 1 6 * 2027,2029', from: '2026-01-01', is: ['2027-06-01T00:00:30Z', '2029-06-01T00:00:30Z'] },
] satisfies Case[], means)

cases('OCPS 1.3 (L, W, #)', [
  { name: 'the last day of the month', text: '0 0 L * *', from: '2027-12-01', is: ['2027-12-31', '2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30'] },
  { name: 'the last day of February', text: '0 0 L 2 *', from: '2026-01-01', is: ['2026-02-28', '2027-02-28', '2028-02-29'] },
  // The 1st of 2026's months: Thu, Sun, Sun, Wed, Fri, Mon.
  { name: 'the second Friday', text: '0 0 * * 5#2', from: '2026-01-01', is: ['2026-01-09', '2026-02-13', '2026-03-13', '2026-04-10'] },
  { name: 'the first Monday, by name', text: '0 0 * * MON#1', from: '2026-01-01', is: ['2026-01-05', '2026-02-02', '2026-03-02', '2026-04-06'] },
  { name: 'a fifth Thursday, where there is one', text: '0 0 * * THU#5', from: '2026-01-01', is: ['2026-01-29', '2026-04-30', '2026-07-30'] },
  { name: 'the last Friday', text: '0 0 * * FRI#L', from: '2026-01-01', is: ['2026-01-30', '2026-02-27', '2026-03-27', '2026-04-24'] },
  // The 15th: Thu, Sun, Sun, Wed of 2026; of August a Saturday.
  { name: 'the weekday nearest to a Sunday comes after it', text: '0 0 15W 2 *', from: '2026-01-01', is: ['2026-02-16'] },
  { name: 'the weekday nearest to a Saturday comes before it', text: '0 0 15W 8 *', from: '2026-01-01', is: ['2026-08-14'] },
  { name: 'a weekday is its own nearest', text: '0 0 15W 1 *', from: '2026-01-01', is: ['2026-01-15'] },
  // 1 August 2026 is a Saturday: Friday would be in July.
  { name: 'the nearest weekday stays in its month, at its beginning', text: '0 0 1W 8 *', from: '2026-01-01', is: ['2026-08-03'] },
  // 31 May 2026 is a Sunday: Monday would be in June.
  { name: 'the nearest weekday stays in its month, at its end', text: '0 0 31W 5 *', from: '2026-01-01', is: ['2026-05-29'] },
] satisfies Case[], means)

cases('OCPS 1.4 (+, ?)', [
  // Fridays the 13th of 2026: February, March, November.
  { name: 'day of month and day of week', text: '0 0 13 * +FRI', from: '2026-01-01', is: ['2026-02-13', '2026-03-13', '2026-11-13'] },
  { name: 'the last day, if it is a Sunday', text: '0 0 L * +SUN', from: '2026-01-01', is: ['2026-05-31', '2027-01-31', '2027-02-28'] },
  { name: 'a question mark is a star', text: '0 12 ? * WED', from: '2026-01-01', is: ['2026-01-07T12:00Z', '2026-01-14T12:00Z'] },
  { name: 'in the field of days of the week, too', text: '0 12 10 * ?', from: '2026-01-01', is: ['2026-01-10T12:00Z', '2026-02-10T12:00Z'] },
] satisfies Case[], means)

cases('in a time zone', [
  // Berlin goes from 02:00 to 03:00 on 29 March 2026 at 01:00 UTC, and back on 25 October at 01:00 UTC.
  { name: 'seconds in the hour that is skipped do not run', text: '30 15 2 * * *', zone: 'Europe/Berlin', from: '2026-03-28T00:00Z', is: ['2026-03-28T01:15:30Z', '2026-03-30T00:15:30Z'] },
  { name: 'seconds in the hour that is repeated run once', text: '30 15 2 * * *', zone: 'Europe/Berlin', from: '2026-10-24T00:00Z', is: ['2026-10-24T00:15:30Z', '2026-10-25T00:15:30Z', '2026-10-26T01:15:30Z'] },
  { name: 'the last day is that of the zone', text: '30 23 L * *', zone: 'America/New_York', from: '2026-01-15', is: ['2026-02-01T04:30Z', '2026-03-01T04:30Z', '2026-04-01T03:30Z'] },
  { name: 'a year begins there', text: '0 0 0 1 1 * 2027', zone: 'Pacific/Auckland', from: '2026-06-01', is: ['2026-12-31T11:00Z'] },
  { name: 'a year that is over there never comes', text: '0 0 0 1 1 * 2027', zone: 'Pacific/Auckland', from: '2026-12-31T11:01Z', is: [] },
] satisfies Case[], means)

cases('refused, with a sentence:', [
  { name: 'four fields', text: '* * * *', says: /4 fields/ },
  { name: 'eight fields', text: '* * * * * * * *', says: /8 fields/ },
  { name: 'nothing', text: '  ', says: /0 fields/ },
  { name: 'a nickname that is none', text: '@reboot', says: /there is no @reboot/ },
  { name: 'an interval', text: '@every 5m', says: /there is no @every/ },
  { name: 'a date', text: '2026-01-01T00:00:00', says: /1 fields/ },
  { name: 'a second that does not exist', text: '60 * * * * *', says: /second/i },
  { name: 'a sixth week', text: '0 0 * * MON#6', says: /./ },
  { name: 'a weekday nearest to nothing', text: '0 0 W * *', says: /./ },
  { name: 'a range backwards', text: '0 22-6 * * *', says: /./ },
  { name: 'a step of nothing', text: '*/0 * * * *', says: /./ },
  { name: 'a day that never comes', text: '0 0 31 6 *', says: /no such moment/ },
  { name: 'a year that is long over', text: '0 0 0 1 1 * 1969', says: /no such moment/ },
], ({ text, says }) => {
  const pattern = readPattern(text, 'UTC')
  assert.ok(typeof pattern === 'string', `${text} was taken`)
  assert.match(pattern, says)
})

test('a time zone that is none is refused', () => {
  assert.match(String(readPattern('* * * * *', 'Europe/Atlantis')), /not a time zone/)
})

test('asked at any second of the hours around both changes, the next moment is never in the past, and none is told twice', () => {
  for (const text of ['*/30 * * * * *', '15 */20 2 * * *']) {
    const pattern = readPattern(text, 'Europe/Berlin')
    assert.ok(typeof pattern !== 'string')
    for (const day of ['2026-03-29T00:00Z', '2026-10-25T00:00Z']) {
      const startMs = Date.parse(day)
      for (let ms = startMs; ms < startMs + 3 * 3_600_000; ms += 97_000) assert.ok((pattern.next(ms) ?? 0) > ms, `${text} after ${new Date(ms).toISOString()}`)
    }
  }
})

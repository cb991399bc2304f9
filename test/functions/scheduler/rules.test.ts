/** The deciding halves: which runs are due, what follows from an attempt, what may be called, who is dead, how completions are signed. */
import * as assert from 'node:assert/strict'
import { dueRuns, nextStart } from '../../../functions/scheduler/schedule/due.ts'
import { readPattern } from '../../../functions/scheduler/schedule/pattern.ts'
import { createAllowList, type Target } from '../../../functions/scheduler/target/allow-list.ts'
import { judge, parseRetryAfter } from '../../../functions/scheduler/work/judge.ts'
import { createLease, leaseTimes } from '../../../functions/scheduler/work/lease.ts'
import { createNeighbours } from '../../../functions/scheduler/work/neighbours.ts'
import { signatureHeaders, webhookKey } from '../../../functions/scheduler/work/webhook-signature.ts'
import { cases, test } from '../../kit.ts'

const HOUR_MS = 3_600_000
const T = Date.parse('2026-06-01T00:00:00Z')

function hourly(catchUp: 'none' | 'one' | 'all', jitterMs = 0) {
  const pattern = readPattern('0 * * * *', 'UTC')
  if (typeof pattern === 'string') throw new Error(pattern)
  return { id: 'job', pattern, catchUp, jitterMs }
}

cases('of runs that are due', [
  { name: 'one that is on time runs, whatever the policy', catchUp: 'none', lateMs: 0, runs: [1] },
  { name: 'one that is late by a restart runs', catchUp: 'none', lateMs: 30_000, runs: [1] },
  { name: 'missed ones are let go', catchUp: 'none', lateMs: 3 * HOUR_MS + 120_000, runs: [] },
  { name: 'missed ones are let go, but not one that is only late', catchUp: 'none', lateMs: 3 * HOUR_MS + 20_000, runs: [4] },
  { name: 'one stands for all that were missed', catchUp: 'one', lateMs: 3 * HOUR_MS + 120_000, runs: [1] },
  { name: 'each is made up for', catchUp: 'all', lateMs: 3 * HOUR_MS + 120_000, runs: [1, 2, 3, 4] },
] as const, ({ catchUp, lateMs, runs }) => {
  const nowMs = T + HOUR_MS + lateMs
  const due = dueRuns(hourly(catchUp), T, nowMs)
  assert.deepEqual(due.runs.map((ms) => (ms - T) / HOUR_MS), runs)
  assert.ok((due.nextMs ?? 0) > nowMs)
  assert.deepEqual(dueRuns(hourly(catchUp), due.plannedMs, nowMs).runs, [])
})

test('a clock that was a year behind starts a hundred runs at most, and one that was ahead stops none', () => {
  assert.equal(dueRuns(hourly('all'), T, T + 8760 * HOUR_MS).runs.length, 100)
  const back = dueRuns(hourly('one'), T + 8760 * HOUR_MS, T + 1000)
  assert.deepEqual([back.runs, back.nextMs], [[], T + HOUR_MS])
})

test('jitter moves each run by an amount of its own, always the same, and never beyond its bound', () => {
  const job = hourly('none', 600_000)
  const starts = Array.from({ length: 24 }, (_, i) => (nextStart(job, T + i * HOUR_MS) ?? 0) - T - (i + 1) * HOUR_MS)
  assert.ok(starts.every((ms) => ms >= 0 && ms <= 600_000) && new Set(starts).size > 12)
  assert.deepEqual(starts, Array.from({ length: 24 }, (_, i) => (nextStart(job, T + i * HOUR_MS) ?? 0) - T - (i + 1) * HOUR_MS))
})

const rule = { attempts: 4, first_wait_seconds: 2, max_wait_seconds: 5 }

cases('after an attempt', [
  { name: 'a 204 is done', answer: { status: 204 }, attempts: 1, is: { state: 'succeeded' } },
  { name: 'no answer waits, half of it chance', answer: {}, attempts: 1, is: { state: 'queued', waitMs: 1500 } },
  { name: 'the second waits twice as long', answer: { status: 500 }, attempts: 2, is: { state: 'queued', waitMs: 3000 } },
  { name: 'but not longer than the longest', answer: { status: 500 }, attempts: 3, is: { state: 'queued', waitMs: 3750 } },
  { name: 'the last was the last', answer: { status: 500 }, attempts: 4, is: { state: 'dead' } },
  { name: 'a 404 is for good', answer: { status: 404 }, attempts: 1, is: { state: 'dead' } },
  { name: 'a 304 is for good', answer: { status: 304 }, attempts: 1, is: { state: 'dead' } },
  { name: 'a 503 says when', answer: { status: 503, retryAfterMs: 60_000 }, attempts: 1, is: { state: 'queued', waitMs: 63_000 } },
  { name: 'a 503 that says next year comes in an hour', answer: { status: 503, retryAfterMs: 1e11 }, attempts: 1, is: { state: 'queued', waitMs: 3_780_000 } },
  { name: 'a 500 has no say in it', answer: { status: 500, retryAfterMs: 60_000 }, attempts: 1, is: { state: 'queued', waitMs: 1500 } },
  { name: 'what may not be called is for good', answer: { isRefused: true }, attempts: 1, is: { state: 'dead' } },
], ({ answer, attempts, is }) => assert.deepEqual(judge(answer, attempts, rule, 0.5), is))

test('Retry-After is seconds or a date', () => {
  assert.deepEqual(['120', 'Mon, 01 Jun 2026 00:00:30 GMT', 'soon'].map((text) => parseRetryAfter(text, T)), [120_000, 30_000, undefined])
  assert.equal(parseRetryAfter(undefined, T), undefined)
})

const list = createAllowList({
  allowedFunctions: ['album', 'report-*', '*.other'], allowedUrls: ['https://api.example.org/hooks/', 'https://plain.example.org', 'http://10.0.0.7:8080/', 'https://nas.local/', 'http://[2606:4700::1]/'],
  privateHosts: ['10.0.0.7:8080'], tokenFunctions: ['album'],
})

cases('a job may call', [
  { name: 'a function by its name', target: { function: 'album', path: '/' } },
  { name: 'a function by a pattern', target: { function: 'report-daily', path: '/' } },
  { name: 'a function by a path with dots in it', target: { function: 'album', path: '/a..b/...?back=/../' } },
  { name: 'a function of another namespace', target: { function: 'any.other', path: '/' } },
  { name: 'what lies under a prefix', target: { url: 'https://api.example.org/hooks/a?b=c' } },
  { name: 'a host without a path', target: { url: 'https://plain.example.org/anything' } },
  { name: 'a private address that is named', target: { url: 'http://10.0.0.7:8080/x' } },
  { name: 'a public address', target: { url: 'http://[2606:4700::1]/x' } },
] satisfies { name: string; target: Target }[], ({ target }: { target: Target }) => assert.equal(list.refusal(target), undefined))

cases('a job may not call', [
  ...['/..', '/../data/x', '/%2e%2e/data/x', '/.%2E/data/x', '/..\\data', '/a/../../data/x'].map((path) => ({ name: `what lies beside a function: ${path}`, target: { function: 'album', path }, says: /leaves the function/ })),
  { name: 'a function that is not named', target: { function: 'data', path: '/' }, says: /allowed_functions/ },
  { name: 'a function whose name only begins so', target: { function: 'albums', path: '/' }, says: /allowed_functions/ },
  { name: 'a dot where the pattern has one letter', target: { function: 'reportx', path: '/' }, says: /allowed_functions/ },
  { name: 'another path of the host', target: { url: 'https://api.example.org/hooks-of-others' }, says: /allowed_urls/ },
  { name: 'what only looks like it lies under the prefix', target: { url: 'https://api.example.org/hooks/../admin' }, says: /allowed_urls/ },
  { name: 'the same with the dots encoded', target: { url: 'https://api.example.org/hooks/%2e%2e/admin' }, says: /allowed_urls/ },
  { name: 'the same with the slash encoded', target: { url: 'https://api.example.org/hooks/..%2fadmin' }, says: /allowed_urls/ },
  { name: 'another port', target: { url: 'https://api.example.org:8443/hooks/a' }, says: /allowed_urls/ },
  { name: 'another scheme', target: { url: 'http://api.example.org/hooks/a' }, says: /allowed_urls/ },
  { name: 'a host that ends in an allowed one', target: { url: 'https://evil-api.example.org/hooks/a' }, says: /allowed_urls/ },
  { name: 'a host before an at sign', target: { url: 'https://api.example.org@evil.example/hooks/' }, says: /password/ },
  { name: 'a name of this network, though a prefix has it', target: { url: 'https://nas.local/x' }, says: /private_hosts/ },
  { name: 'another scheme altogether', target: { url: 'file:///etc/passwd' }, says: /http/ },
] satisfies { name: string; target: Target; says: RegExp }[], ({ target, says }: { target: Target; says: RegExp }) => assert.match(list.refusal(target) ?? 'nothing was said', says))

test('the service token is for the functions that are named', () => {
  assert.deepEqual(['album', 'report-daily', 'albums'].map((name) => list.isTrusted(name)), [true, false, false])
})

test('a replica is taken for dead when its beat has not changed for a while, by the clock of who looks', () => {
  const neighbours = createNeighbours({ silenceMs: 1000 })
  assert.deepEqual(neighbours.observe([{ owner: 'a', beat: 1 }], 0), [])
  assert.equal(neighbours.dueInMs(400), 600)
  assert.deepEqual(neighbours.observe([{ owner: 'a', beat: 2 }], 900), [])
  assert.deepEqual(neighbours.observe([{ owner: 'a', beat: 2 }, { owner: 'b', beat: null }], 1899), [])
  assert.deepEqual(neighbours.observe([{ owner: 'a', beat: 2 }, { owner: 'b', beat: null }], 1900), [{ owner: 'a', beat: 2 }])
  // One that had no runs for a while is seen as new.
  assert.deepEqual(neighbours.observe([], 2000), [])
  assert.deepEqual(neighbours.observe([{ owner: 'a', beat: 2 }], 9000), [])
})

test('a replica ends its calls before any other may take over, however late it learns that its beat was taken', () => {
  for (const leaseMs of [1500, 15_000, 300_000]) {
    const times = leaseTimes(leaseMs)
    assert.ok(times.renewEveryMs < times.validMs && times.validMs < times.silenceMs && times.silenceMs + times.watchEveryMs < leaseMs)
  }
  let nowMs = 0
  const lease = createLease({ validMs: 900 }, () => nowMs)
  assert.equal(lease.isValid(), false)
  lease.renewed(100)
  nowMs = 999
  assert.equal(lease.isValid(), true)
  // The answer to an older beat takes nothing away.
  lease.renewed(50)
  assert.equal(lease.isValid(), true)
  nowMs = 1000
  assert.equal(lease.isValid(), false)
  assert.ok(lease.nextBeat() < lease.nextBeat())
})

test('completions are signed as the Standard Webhooks specification does it', () => {
  // Source: the example of its reference libraries.
  const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  assert.deepEqual(signatureHeaders(key, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '{"test": 2432232314}', 1_614_265_330_000), {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330', 'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
  assert.throws(() => webhookKey('short'), /webhook-key must be at least/)
})

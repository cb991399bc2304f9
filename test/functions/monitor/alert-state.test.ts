import * as assert from 'node:assert/strict'
import { type Alert, type Finding, nextAlerts } from '../../../functions/monitor/alerts/alert-state.ts'
import { planMessage } from '../../../functions/monitor/alerts/plan-message.ts'
import { type Rule, shippedRules, summaryOf } from '../../../functions/monitor/alerts/rule.ts'
import { isSilenced } from '../../../functions/monitor/alerts/silence.ts'
import { parseExpression } from '../../../functions/monitor/metrics/expression.ts'
import { cases, test } from '../../kit.ts'

const rule: Rule = { name: 'r', expr: 'x > 1', forMs: 100, severity: 'warning', summary: '{a} has {value}', isEnabled: true }
const here: readonly Finding[] = [{ labels: { __name__: 'x', a: '1' }, value: 5 }]
const base = { key: 'r{a="1"}', rule: 'r', labels: { a: '1' }, value: 5 } as const
const told = { toldMs: 50, toldAs: 'firing' } as const

cases('an alert', [
  { name: 'is pending at first', before: [], found: here, nowMs: 10, after: [{ ...base, state: 'pending', sinceMs: 10 }] },
  { name: 'fires at once without a time to wait', rule: { ...rule, forMs: 0 }, before: [], found: here, nowMs: 10, after: [{ ...base, state: 'firing', sinceMs: 10 }] },
  { name: 'stays pending', before: [{ ...base, state: 'pending', sinceMs: 10 }], found: here, nowMs: 109, after: [{ ...base, state: 'pending', sinceMs: 10 }] },
  { name: 'fires after its time', before: [{ ...base, state: 'pending', sinceMs: 10 }], found: here, nowMs: 110, after: [{ ...base, state: 'firing', sinceMs: 110 }] },
  { name: 'that was only pending goes silently', before: [{ ...base, state: 'pending', sinceMs: 10 }], found: [], nowMs: 50, after: [] },
  { name: 'goes on firing, with the value of now', before: [{ ...base, value: 2, state: 'firing', sinceMs: 10, ...told }], found: here, nowMs: 500, after: [{ ...base, state: 'firing', sinceMs: 10, ...told }] },
  { name: 'that nobody was told of goes silently', before: [{ ...base, state: 'firing', sinceMs: 10 }], found: [], nowMs: 50, after: [] },
  { name: 'that was told ends', before: [{ ...base, state: 'firing', sinceMs: 10, ...told }], found: [], nowMs: 60, after: [{ ...base, state: 'resolved', sinceMs: 60, ...told }] },
  { name: 'that has ended waits until that is told', before: [{ ...base, state: 'resolved', sinceMs: 60, ...told }], found: [], nowMs: 90, after: [{ ...base, state: 'resolved', sinceMs: 60, ...told }] },
  { name: 'begins again before its end was told', before: [{ ...base, state: 'resolved', sinceMs: 60, ...told }], found: here, nowMs: 90, after: [{ ...base, state: 'pending', sinceMs: 90, ...told }] },
  { name: 'each series for itself', before: [{ ...base, state: 'pending', sinceMs: 0 }], found: [...here, { labels: { a: '2' }, value: 7 }], nowMs: 100,
    after: [{ ...base, state: 'firing', sinceMs: 100 }, { key: 'r{a="2"}', rule: 'r', labels: { a: '2' }, value: 7, state: 'pending', sinceMs: 100 }] },
] as readonly { name: string; rule?: Rule; before: Alert[]; found: Finding[]; nowMs: number; after: Alert[] }[],
({ rule: own = rule, before, found, nowMs, after }) => {
  const clean = (alerts: readonly Alert[]): unknown => JSON.parse(JSON.stringify(alerts))
  assert.deepEqual(clean(nextAlerts(before, own, found, nowMs)), clean(after))
})

const times = { groupMs: 30, repeatMs: 1000 }
const firing = (key: string, sinceMs: number, more: Partial<Alert> = {}): Alert => ({ ...base, key, state: 'firing', sinceMs, ...more })

cases('messages', [
  { name: 'wait for others of their time', alerts: [firing('a', 100)], nowMs: 129, tell: [], left: ['a'] },
  { name: 'have all that came meanwhile', alerts: [firing('a', 100), firing('b', 129)], nowMs: 130, tell: ['a', 'b'], left: ['a', 'b'] },
  { name: 'have nothing that is only pending', alerts: [firing('a', 0, { state: 'pending' })], nowMs: 500, tell: [], left: ['a'] },
  { name: 'say nothing twice', alerts: [firing('a', 0, { toldMs: 100, toldAs: 'firing' })], nowMs: 1099, tell: [], left: ['a'] },
  { name: 'come again after a long time', alerts: [firing('a', 0, { toldMs: 100, toldAs: 'firing' })], nowMs: 1100, tell: ['a'], left: ['a'] },
  { name: 'say what is over, and forget it', alerts: [firing('a', 100, { state: 'resolved', toldMs: 50, toldAs: 'firing' })], nowMs: 130, tell: ['a'], left: [] },
  { name: 'are not sent of what is silenced', alerts: [firing('a', 0, { labels: { a: 'quiet' } })], nowMs: 500, tell: [], left: ['a'] },
  { name: 'are not sent of what ended in silence', alerts: [firing('a', 0, { state: 'resolved', labels: { a: 'quiet' }, toldMs: 1, toldAs: 'firing' })], nowMs: 500, tell: [], left: [] },
], ({ alerts, nowMs, tell, left }) => {
  const plan = planMessage(alerts, [{ id: 's', match: { a: 'qui*' }, untilMs: 10_000, comment: '' }], nowMs, times)
  assert.deepEqual([plan.tell.map(({ key }) => key), plan.alerts.map(({ key }) => key)], [tell, left])
})

test('a silence is for what has all its labels, and until its end', () => {
  const silence = { id: 's', match: { rule: 'r', a: '1' }, untilMs: 100, comment: '' }
  assert.deepEqual([isSilenced(base, [silence], 99), isSilenced(base, [silence], 100), isSilenced({ ...base, labels: { a: '2' } }, [silence], 1), isSilenced({ ...base, rule: 'q' }, [silence], 1)],
    [true, false, false, false])
})

test('the rules that come with it are understood, and say which board or function', () => {
  for (const { expr } of shippedRules) parseExpression(expr)
  assert.equal(summaryOf(rule, { a: 'zero-1' }, 0.04567), 'zero-1 has 0.0457')
  assert.equal(summaryOf({ summary: '{b} {__proto__}' }, {}, 1), '{b} {__proto__}')
})

import * as assert from 'node:assert/strict'
import { evaluate, labelled, type Value } from '../../../functions/monitor/metrics/evaluate.ts'
import { parseExpression } from '../../../functions/monitor/metrics/expression.ts'
import { parseExposition, writeExposition } from '../../../functions/monitor/metrics/exposition.ts'
import { createKeyFilter } from '../../../functions/monitor/metrics/matchers.ts'
import { keyOf, labelsIn } from '../../../functions/monitor/metrics/series.ts'
import { cases, test } from '../../kit.ts'

const S = 1000
/** Every 15 s from 0 to 300 s. */
const times = Array.from({ length: 21 }, (_, i) => i * 15 * S)
const series = [
  { key: 'c{f="a",code="200"}', times, values: times.map((_, i) => i * 10) },
  { key: 'c{f="a",code="500"}', times, values: times.map((_, i) => i) },
  // Begins anew in the middle.
  { key: 'c{f="b",code="200"}', times, values: times.map((_, i) => i < 10 ? i * 3 : (i - 10) * 3) },
  { key: 'g{f="a"}', times, values: times.map((_, i) => i % 2 === 0 ? 4 : 8) },
  { key: 'g{f="b"}', times: times.slice(0, 5), values: [1, 2, 3, 4, 5] },
].map(labelled)

function at(text: string, seconds = 300): Value {
  return evaluate(parseExpression(text), seconds * S, (selector) => series.filter(({ key }) => createKeyFilter(selector.name, selector.matchers)(key)))
}

/** Labels without those that are the same for all, and values rounded. */
function shown(value: Value): unknown {
  return typeof value === 'number' ? value : value.map(({ labels, value: one }) => `${Object.entries(labels).filter(([name]) => name !== '__name__').map((pair) => pair.join('=')).sort().join(',')} ${Number(one.toPrecision(6))}`)
}

cases('an expression', [
  { name: 'a selector; what is old is not there', text: 'g', is: ['f=a 4'] },
  { name: 'matchers', text: 'c{code="200",f!="b"}', is: ['code=200,f=a 200'] },
  { name: 'patterns', text: 'c{code=~"5..|4.*"}', is: ['code=500,f=a 20'] },
  { name: 'not a pattern', text: 'c{code!~"5.+"}', is: ['code=200,f=a 200', 'code=200,f=b 30'] },
  { name: 'by name alone', text: '{__name__="g"}', is: ['f=a 4'] },
  { name: 'rate, over a restart', text: 'rate(c{code="200"}[5m])', is: ['code=200,f=a 0.666667', `code=200,f=b ${Number((57 / 300).toPrecision(6))}`] },
  { name: 'increase', text: 'increase(c{f="b"}[5m])', is: ['code=200,f=b 57'] },
  { name: 'over a time', text: 'max_over_time(g{f="a"}[1m])', is: ['f=a 8'] },
  { name: 'the mean, of what there was', text: 'avg_over_time(g{f="b"}[5m])', is: ['f=b 3'] },
  { name: 'sums by label', text: 'sum by (f) (c)', is: ['f=a 220', 'f=b 30'] },
  { name: 'by after it', text: 'max(c) by (code)', is: ['code=200 200', 'code=500 20'] },
  { name: 'all of it', text: 'count(c)', is: [' 3'] },
  { name: 'a share', text: 'sum by (f) (rate(c{code=~"5.*"}[5m])) / sum by (f) (rate(c[5m])) > 0.05', is: ['f=a 0.0909091'] },
  { name: 'a share that is not so', text: 'sum by (f) (rate(c{code=~"5.*"}[5m])) / sum by (f) (rate(c[5m])) > 0.1', is: [] },
  { name: 'and', text: 'g > 3 and on_nothing', is: [] },
  { name: 'unless', text: 'g unless g > 5', is: ['f=a 4'] },
  { name: 'numbers, with what binds more first', text: '2 + 3 * (4 - 1) / 2', is: 6.5 },
  { name: 'a sign', text: '-2 * -3', is: 6 },
  { name: 'a number compared', text: '2 > 1', is: 1 },
  { name: 'number and series', text: '100 - g', is: ['f=a 96'] },
  { name: 'absent', text: 'absent(nothing{a="b"})', is: [' 1'] },
  { name: 'not absent', text: 'absent(g)', is: [] },
], ({ text, is }) => assert.deepEqual(shown(at(text)), is))

test('a month of points, and as many series, are no more than one', () => {
  const count = 200_000
  const month = [labelled({ key: 'm', times: Array.from({ length: count }, (_, i) => i), values: Array.from({ length: count }, (_, i) => i) })]
  const many = Array.from({ length: count }, (_, i) => ({ key: 'm', labels: {}, times: [0], values: [i] }))
  for (const [text, points, is] of [
    ['max_over_time(m[30d])', month, count - 1], ['min_over_time(m[30d])', month, 0], ['max(m)', many, count - 1], ['min(m)', many, 0],
  ] as const) assert.deepEqual(evaluate(parseExpression(text), text.includes('over') ? count : 0, () => points), [{ labels: {}, value: is }])
})

cases('what is not understood is said', [
  { name: 'nothing', text: ' ', says: /ends too early/ },
  { name: 'an unknown function', text: 'histogram_quantile(0.9, c)', says: /there is no function histogram_quantile here; there are rate,/ },
  { name: 'a range without a function', text: 'c[5m]', says: /nothing can be made of "\[5m\]"/ },
  { name: 'a function without a range', text: 'rate(c)', says: /rate wants a time like \[5m\]/ },
  { name: 'a bad time', text: 'rate(c[5x])', says: /rate wants a time/ },
  { name: 'a loose end', text: 'c c', says: /nothing can be made of "c"/ },
  { name: 'a bad label', text: 'c{a=b}', says: /nothing can be made of the labels/ },
  { name: 'a pattern that may take for ever', text: 'c{a=~"(a+)+"}', says: /more than alternatives/ },
  { name: 'nested beyond reason', text: '('.repeat(40) + '1' + ')'.repeat(40), says: /nested too deeply/ },
  { name: 'signs beyond reason', text: '-'.repeat(40) + '1', says: /nested too deeply/ },
], ({ text, says }) => assert.throws(() => parseExpression(text), says))

test('labels are the same however they are written', () => {
  const labels = { b: 'say "a\\b"\nc', a: '1' }
  assert.deepEqual(labelsIn(keyOf('m', labels)), { __name__: 'm', ...labels })
  assert.equal(keyOf('m', { b: '2', a: '1' }), keyOf('m', { a: '1', b: '2' }))
})

test('the text of Prometheus is read, written, and read the same', () => {
  const text = '# HELP h help\n# TYPE h histogram\nh_bucket{le="1",p="a}b\\"c"} 1\nh_bucket{le="+Inf"} 2 1700000000000\nh_sum 1.5e-3\nh_count 2\nnan NaN\n\nno sample\n# TYPE g gauge\ng -Inf\n'
  const { samples, types } = parseExposition(text, { job: 'x', le: 'not this' })
  assert.deepEqual(samples.map(({ key, value }) => [key, value]), [
    ['h_bucket{job="x",le="1",p="a}b\\"c"}', 1], ['h_bucket{job="x",le="+Inf"}', 2], ['h_sum{job="x",le="not this"}', 0.0015], ['h_count{job="x",le="not this"}', 2], ['g{job="x",le="not this"}', -Infinity],
  ])
  const again = parseExposition(writeExposition(samples, types), {})
  assert.deepEqual([again.samples.toSorted((a, b) => a.key < b.key ? -1 : 1), new Map(again.types)], [samples.toSorted((a, b) => a.key < b.key ? -1 : 1), new Map(types)])
})

test('a metric whose label is one endless name is read in one go: any function may show one', () => {
  const { samples } = parseExposition(`m{${'a'.repeat(2 ** 20)}} 1\nn{b="${'\\\\'.repeat(2 ** 18)}"} 2\n`, {})
  assert.deepEqual(samples.map(({ key, value }) => [key.length, value]), [[1, 1], [2 ** 19 + 7, 2]])
})

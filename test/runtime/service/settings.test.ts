import * as assert from 'node:assert/strict'
import { createSettingsReader, sizeOf, spanOf, timeOf } from '../../../template/node-ts/runtime/service/settings.ts'
import { cases, test } from '../../kit.ts'

cases('a size or a time is read:', [
  { name: 'bytes', parse: sizeOf, values: { 1: 1, '12Ki': 12_288, '64mi': 64 * 2 ** 20, '1Gi': 2 ** 30, '2Ti': 2 ** 41 } },
  { name: 'no bytes', parse: sizeOf, values: { '': undefined, 0: undefined, '64MB': undefined, '-1': undefined, '1.5Gi': undefined, '999999999999Ti': undefined } },
  { name: 'a time', parse: timeOf, values: { '500ms': 500, '10s': 10_000, '30m': 1_800_000, '12h': 43_200_000, '7d': 604_800_000 } },
  { name: 'no time', parse: timeOf, values: { '': undefined, '10': undefined, '0s': undefined, '1w': undefined, '10000001d': undefined } },
  { name: 'a time that may be none', parse: spanOf, values: { '0s': 0, '1s': 1000, x: undefined } },
], ({ parse, values }) => {
  for (const [text, value] of Object.entries(values)) assert.equal(parse(text), value, text)
})

test('what is not set has its default, and all bad ones are told, each with what it should be', () => {
  const defaults = { size: '1Ki', time: '1s', rows: '5', folder: '', is_on: 'true', kind: 'b', at: 'http://a.example' }
  const read = (env: Readonly<Record<string, string>>) => {
    const { sizeBytes, timeMs, whole, text, flag, choice, url, problems } = createSettingsReader(env, defaults)
    return { values: [sizeBytes('size'), timeMs('time'), whole('rows', 1, 9), text('folder'), flag('is_on'), choice('kind', ['a', 'b', 'c']), url('at')], problems }
  }
  assert.deepEqual(read({ size: ' ' }), { values: [1024, 1000, 5, '', true, 'b', 'http://a.example'], problems: [] })
  assert.deepEqual(read({ size: '2Ki', rows: '9', folder: '/x', is_on: 'false', kind: 'c', at: 'https://b.example/c/' }).values, [2048, 1000, 9, '/x', false, 'c', 'https://b.example/c'])
  assert.deepEqual(read({ size: 'x', time: 'x', rows: '10', is_on: 'yes', kind: 'd', at: 'b.example' }).problems, [
    'size="x" is not a size like 500Ki, 64Mi or 1Gi', 'time="x" is not a time like 500ms, 10s, 30m, 12h or 7d', 'rows="10" is not a whole number from 1 to 9',
    'is_on="yes" is not true or false', 'kind="d" is not a, b or c', 'at="b.example" is not an http or https URL without query',
  ])
})

test('an address that is made of a bad one is told', () => {
  const { url, problems } = createSettingsReader({}, { data_url: '' })
  url('data_url', 'gateway/function/data')
  assert.deepEqual(problems, ['data_url="gateway/function/data" is not an http or https URL without query'])
})

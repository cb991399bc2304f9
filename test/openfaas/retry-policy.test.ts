import * as assert from 'node:assert/strict'
import { defaultRetryPolicy, readRetryPolicy } from '../../platform/openfaas/retry-policy.ts'
import { cases, test } from '../kit.ts'

test('without annotations the defaults hold', () => {
  assert.deepEqual(readRetryPolicy({}), defaultRetryPolicy)
})

test('each annotation counts', () => {
  assert.deepEqual(readRetryPolicy({
    'com.openfaas.retry.attempts': '3', 'com.openfaas.retry.codes': '429, 500',
    'com.openfaas.retry.min_wait': '500ms', 'com.openfaas.retry.max_wait': '1m30s',
  }), { attempts: 3, codes: [429, 500], minWaitMs: 500, maxWaitMs: 90_000 })
})

test('a first wait beyond the longest default is the longest', () => {
  assert.equal(readRetryPolicy({ 'com.openfaas.retry.min_wait': '10m' }).maxWaitMs, 600_000)
})

cases('refused', [
  { name: 'no tries', annotation: 'attempts', value: '0' },
  { name: 'too many tries', annotation: 'attempts', value: '99999' },
  { name: 'tries that are no number', annotation: 'attempts', value: 'many' },
  { name: 'codes that are none', annotation: 'codes', value: '500,often' },
  { name: 'no codes', annotation: 'codes', value: '' },
  { name: 'a wait that is no duration', annotation: 'min_wait', value: 'long' },
  { name: 'a longest wait below the first', annotation: 'max_wait', value: '1s' },
], ({ annotation, value }) => {
  assert.throws(() => readRetryPolicy({ [`com.openfaas.retry.${annotation}`]: value }), new RegExp(`com\\.openfaas\\.retry\\.`))
})

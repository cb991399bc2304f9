import * as assert from 'node:assert/strict'
import { mergeExpositions } from '../../platform/metrics/merge.ts'
import { test } from '../kit.ts'

test('samples get the labels of where they came from, and each metric stands once', () => {
  const text = '# HELP calls Calls.\n# TYPE calls counter\ncalls{code="200"} 5\n# TYPE seconds histogram\nseconds_bucket{le="+Inf"} 1\nseconds_count 1\n'
  assert.equal(mergeExpositions([{ labels: { instance: 'a"1' }, text }, { labels: { instance: 'b' }, text }]), [
    '# TYPE calls counter', 'calls{code="200",instance="a\\"1"} 5', 'calls{code="200",instance="b"} 5',
    '# TYPE seconds histogram', 'seconds_bucket{le="+Inf",instance="a\\"1"} 1', 'seconds_count{instance="a\\"1"} 1',
    'seconds_bucket{le="+Inf",instance="b"} 1', 'seconds_count{instance="b"} 1', '',
  ].join('\n'))
})

test('what is no text of metrics gives nothing', () => {
  assert.equal(mergeExpositions([{ labels: {}, text: '<html>\nnot a sample\n{}' }]), '')
})

import * as assert from 'node:assert/strict'
import { byTime, parseLogLine } from '../../../platform/provider/kubernetes/log-lines.ts'
import { cases, test } from '../../kit.ts'

cases('a line of a log', [
  { name: 'has nanoseconds', line: '2026-03-01T10:00:00.123456789Z hello', expected: { atMs: Date.parse('2026-03-01T10:00:00.123Z'), nanos: 456789, text: 'hello' } },
  { name: 'may have fewer digits', line: '2026-03-01T10:00:00.5Z hello', expected: { atMs: Date.parse('2026-03-01T10:00:00.500Z'), nanos: 0, text: 'hello' } },
  { name: 'may be written in another time zone', line: '2026-03-01T11:00:00+01:00 hello', expected: { atMs: Date.parse('2026-03-01T10:00:00Z'), nanos: 0, text: 'hello' } },
  { name: 'may be empty', line: '2026-03-01T10:00:00Z ', expected: { atMs: Date.parse('2026-03-01T10:00:00Z'), nanos: 0, text: '' } },
  { name: 'keeps its spaces', line: '2026-03-01T10:00:00Z   indented', expected: { atMs: Date.parse('2026-03-01T10:00:00Z'), nanos: 0, text: '  indented' } },
  { name: 'without a time is a notice of the kubelet', line: 'unable to retrieve container logs', expected: undefined },
], ({ line, expected }) => assert.deepEqual(parseLogLine(line), expected))

test('lines of the same millisecond are in order', () => {
  const [late, early] = ['2026-03-01T10:00:00.000000002Z b', '2026-03-01T10:00:00.000000001Z a'].map((line) => parseLogLine(line))
  assert.ok(late && early)
  assert.deepEqual([late, early].sort(byTime).map(({ text }) => text), ['a', 'b'])
})

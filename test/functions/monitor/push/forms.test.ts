import * as assert from 'node:assert/strict'
import { jsonLinesIn } from '../../../../functions/monitor/push/json-lines.ts'
import { lokiJsonLines, lokiProtoLines } from '../../../../functions/monitor/push/loki.ts'
import { otlpLines } from '../../../../functions/monitor/push/otlp.ts'
import { bytesField, varintField } from '../../../../functions/monitor/push/protobuf.ts'
import { lineOf, troubleWithTime } from '../../../../functions/monitor/push/pushed-line.ts'
import { snap, unsnap } from '../../../../functions/monitor/push/snappy.ts'
import { cases, test } from '../../../kit.ts'

const MAX = 2 ** 24

cases('Snappy comes back as it was', [
  { name: 'nothing', input: Buffer.alloc(0) },
  { name: 'one byte', input: Buffer.from('a') },
  { name: 'the same over and over', input: Buffer.alloc(100_000, 'abc') },
  { name: 'text', input: Buffer.from('the quick brown fox jumps over the lazy dog; the quick brown fox does it again. '.repeat(50)) },
  { name: 'chance', input: Buffer.from(Array.from({ length: 70_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)) },
], ({ input }) => assert.deepEqual(unsnap(snap(input), MAX), input))

test('Snappy makes what repeats small, and reads copies of one and four bytes of offset, which it does not write', () => {
  assert.ok(snap(Buffer.alloc(100_000, 'abc')).length < 10_000)
  assert.equal(unsnap(Buffer.from([8, 3 << 2, 0x61, 0x62, 0x63, 0x64, 0x01, 4]), MAX).toString(), 'abcdabcd')
  assert.equal(unsnap(Buffer.from([8, 3 << 2, 0x61, 0x62, 0x63, 0x64, 3 << 2 | 3, 4, 0, 0, 0]), MAX).toString(), 'abcdabcd')
})

cases('bad Snappy is refused', [
  { name: 'nothing at all', bytes: [] },
  { name: 'shorter than it says', bytes: [5, 0, 0x61] },
  { name: 'a literal beyond the end', bytes: [4, 3 << 2, 0x61] },
  { name: 'a copy from before the beginning', bytes: [4, 0x01, 9] },
  { name: 'larger than allowed', bytes: [0xff, 0xff, 0xff, 0xff, 0x0f] },
  { name: 'a length without an end', bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
], ({ bytes }) => assert.throws(() => unsnap(Buffer.from(bytes), MAX), RangeError))

test('lines of JSON keep their text; their time, function and replica are taken out', () => {
  const [one, two] = jsonLinesIn('{"time":"2026-01-01T00:00:00Z","service":"api","host":"pi","level":"warn","message":"m"}\n\n{"message":"now"}\n', 5)
  assert.deepEqual([one?.timeMs, one?.functionName, one?.instance, two?.timeMs], [Date.parse('2026-01-01T00:00:00Z'), 'api', 'pi', 5])
  assert.deepEqual([one, two].map((line) => line && lineOf(line)).map((line) => [line?.level, line?.functionName, line?.namespace]), [[3, 'api', 'pushed'], [0, 'unnamed', 'pushed']])
})

test('Loki says the same as JSON and as Protocol Buffers', () => {
  const json = lokiJsonLines({ streams: [{ stream: { job: 'nginx', host: 'pi', level: 'error' }, values: [['1700000000123000000', 'GET / 500'], ['1700000000124000000', '{"level":"info"}', { trace_id: 't' }]] }] })
  const entry = (seconds: bigint, nanos: bigint, text: string, more: Buffer = Buffer.alloc(0)): Buffer =>
    bytesField(2, Buffer.concat([bytesField(1, Buffer.concat([varintField(1, seconds), varintField(2, nanos)])), bytesField(2, Buffer.from(text)), more]))
  const pair = bytesField(3, Buffer.concat([bytesField(1, Buffer.from('trace_id')), bytesField(2, Buffer.from('t'))]))
  const proto = lokiProtoLines(bytesField(1, Buffer.concat([
    bytesField(1, Buffer.from('{job="nginx", host="pi", level="error"}')),
    entry(1_700_000_000n, 123_000_000n, 'GET / 500'), entry(1_700_000_000n, 124_000_000n, '{"level":"info"}', pair),
  ])))
  assert.deepEqual(proto, json)
  assert.deepEqual(json.map(({ timeMs, functionName, instance, text }) => [timeMs, functionName, instance, text]), [
    [1_700_000_000_123, 'nginx', 'pi', '{"level":"error","message":"GET / 500"}'],
    [1_700_000_000_124, 'nginx', 'pi', '{"level":"info"}'],
  ])
  for (const bad of [{}, { streams: [{ values: [['x', 'y']] }] }, { streams: 1 }]) assert.throws(() => lokiJsonLines(bad))
  assert.throws(() => lokiProtoLines(Buffer.from([0x0a, 0x7f, 1])), RangeError)
})

test('logs of OpenTelemetry', () => {
  const [one, two] = otlpLines({
    resourceLogs: [{
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }, { key: 'host.name', value: { stringValue: 'pi' } }] },
      scopeLogs: [{
        logRecords: [
          { timeUnixNano: '1700000000000000000', severityNumber: 17, body: { stringValue: 'it broke' }, traceId: 'abc', attributes: [{ key: 'n', value: { intValue: '5' } }, { key: 'l', value: { arrayValue: { values: [{ boolValue: true }] } } }] },
          { body: { kvlistValue: { values: [{ key: 'a', value: { doubleValue: 1.5 } }] } } },
        ],
      }],
    }],
  }, 7)
  assert.deepEqual([one?.functionName, one?.instance, one?.timeMs, two?.timeMs, two?.text], ['shop', 'pi', 1_700_000_000_000, 7, '{"a":1.5}'])
  assert.deepEqual(JSON.parse(one?.text ?? ''), { n: 5, l: [true], level: 'error', trace_id: 'abc', message: 'it broke' })
  assert.throws(() => otlpLines({ resourceLogs: 1 }, 0))
})

test('a time that cannot be is said', () => {
  const day = 86_400_000
  assert.deepEqual([NaN, 10 * day + 7_200_000, 2 * day, 10 * day].map((timeMs) => troubleWithTime(timeMs, 10 * day, 7 * day)),
    ['has a time that is none', 'has a time in the future', 'is older than lines are kept', undefined])
})

import * as assert from 'node:assert/strict'
import { deflateSync, gzipSync } from 'node:zlib'
import { jsonLinesIn } from '../../../../functions/monitor/push/json-lines.ts'
import { lokiJsonLines, lokiProtoLines } from '../../../../functions/monitor/push/loki.ts'
import { otlpLines } from '../../../../functions/monitor/push/otlp.ts'
import { otlpProtoLines } from '../../../../functions/monitor/push/otlp-proto.ts'
import { bytesField, varintField } from '../../../../functions/monitor/push/protobuf.ts'
import { checkJson, PushTooLarge } from '../../../../functions/monitor/push/push-size.ts'
import { lineOf, troubleWithTime } from '../../../../functions/monitor/push/pushed-line.ts'
import { unpack } from '../../../../functions/monitor/push/unpack.ts'
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

/** The same lines as `@opentelemetry/exporter-logs-otlp-proto` and `-http` 0.2 send them. */
const sentAsProto = Buffer.from('Cs4CCjYKFgoMc2VydmljZS5uYW1lEgYKBHNob3AKEQoJaG9zdC5uYW1lEgQKAnBpCgcKAW4SAhgBEAASkwIKDAoFc2NvcGUSAzEuMBLEAQnA1E71UXKGGBARGgVFUlJPUioKCghpdCBicm9rZTIQCgFhEgsY+///////////ATIOCgFiEgkhAAAAAAAA+D8yBwoBYxICEAEyEgoBZBINKgsKAwoBeAoECgLDvDIdCgFlEhgyFgoUCgFmEg8yDQoLCgFnEgYKBGRlZXAyCgoBaBIFOgMBAv8yDgoDYmlnEgcYgNCV/7wxOABFAQAAAEoQW47/95gDgQPSabYzgT/GDFII7uGbfsPBsXRZwNRO9VFyhhgSPAnA1E71UXKGGBAJKiQyIgoMCgR1c2VyEgQKAnUxChIKBGxpc3QSCioICgIYAQoCGAI4AFnA1E71UXKGGA==', 'base64')
const sentAsJson = {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"pi"}},{"key":"n","value":{"intValue":1}}],"droppedAttributesCount":0},"scopeLogs":[{"scope":{"name":"scope","version":"1.0"},"logRecords":[{"timeUnixNano":"1767225600123000000","observedTimeUnixNano":"1767225600123000000","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"it broke"},"attributes":[{"key":"a","value":{"intValue":-5}},{"key":"b","value":{"doubleValue":1.5}},{"key":"c","value":{"boolValue":true}},{"key":"d","value":{"arrayValue":{"values":[{"stringValue":"x"},{"stringValue":"ü"}]}}},{"key":"e","value":{"kvlistValue":{"values":[{"key":"f","value":{"kvlistValue":{"values":[{"key":"g","value":{"stringValue":"deep"}}]}}}]}}},{"key":"h","value":{"bytesValue":"AQL/"}},{"key":"big","value":{"intValue":1700000000000}}],"droppedAttributesCount":0,"flags":1,"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},{"timeUnixNano":"1767225600123000000","observedTimeUnixNano":"1767225600123000000","severityNumber":9,"body":{"kvlistValue":{"values":[{"key":"user","value":{"stringValue":"u1"}},{"key":"list","value":{"arrayValue":{"values":[{"intValue":1},{"intValue":2}]}}}]}},"attributes":[],"droppedAttributesCount":0}]}]}]}

test('what an SDK of OpenTelemetry sends as Protocol Buffers is the same as what it sends as JSON', () => {
  const [one, two, ...more] = otlpProtoLines(sentAsProto, 7)
  assert.deepEqual([one, two, ...more], otlpLines(sentAsJson, 7))
  assert.deepEqual([one?.functionName, one?.instance, one?.timeMs, two?.text], ['shop', 'pi', 1_767_225_600_123, '{"user":"u1","list":[1,2]}'])
  assert.deepEqual(JSON.parse(one?.text ?? ''), {
    a: -5, b: 1.5, c: true, d: ['x', 'ü'], e: { f: { g: 'deep' } }, h: 'AQL/', big: 1_700_000_000_000,
    level: 'error', trace_id: '5b8efff798038103d269b633813fc60c', span_id: 'eee19b7ec3c1b174', message: 'it broke',
  })
})

test('Protocol Buffers of OpenTelemetry: nothing is no line, a line may have nothing in it, what is no message is refused', () => {
  const record = (...fields: Buffer[]): Buffer => bytesField(1, bytesField(2, bytesField(2, Buffer.concat(fields))))
  assert.deepEqual(otlpProtoLines(Buffer.alloc(0), 7), [])
  assert.deepEqual(otlpProtoLines(record(), 7).map(({ timeMs, functionName, text }) => [timeMs, functionName, text]), [[7, '', '""']])
  for (const bad of [Buffer.from([0x0a, 0x7f, 1]), record(varintField(1, 5n)), record(bytesField(2, Buffer.from('x'))), record(bytesField(1, Buffer.from('x')))]) {
    assert.throws(() => otlpProtoLines(bad, 7), RangeError)
  }
})

test('a value of OpenTelemetry that lies in thousands of others is left out', () => {
  let deep = bytesField(1, Buffer.from('bottom'))
  for (let i = 0; i < 3000; i++) deep = bytesField(5, bytesField(1, deep))
  const [line] = otlpProtoLines(bytesField(1, bytesField(2, bytesField(2, bytesField(5, deep)))), 7)
  assert.match(line?.text ?? '', /^\[+null\]+$/)
})

test('what was packed comes back; what becomes larger than it may is let go, and what was not packed is refused', () => {
  const text = Buffer.from('a line\n'.repeat(1000))
  for (const packed of [gzipSync(text), deflateSync(text)]) {
    assert.deepEqual(unpack(packed, text.length), text)
    assert.throws(() => unpack(packed, text.length - 1), PushTooLarge)
  }
  for (const bad of [Buffer.alloc(0), text, gzipSync(text).subarray(0, 30)]) assert.throws(() => unpack(bad, MAX), (error) => !(error instanceof PushTooLarge))
})

test('a time that cannot be is said', () => {
  const day = 86_400_000
  assert.deepEqual([NaN, 10 * day + 7_200_000, 2 * day, 10 * day].map((timeMs) => troubleWithTime(timeMs, 10 * day, 7 * day)),
    ['has a time that is none', 'has a time in the future', 'is older than lines are kept', undefined])
})

const million = 2 ** 20
/** Two bytes that are an empty field, over and over. */
const empty = (key: number, count = million): Buffer => Buffer.alloc(count * 2, Buffer.from([key, 0]))
const label = bytesField(1, Buffer.from(`{a="${'x'.repeat(million)}"}`))

cases('a small push that is millions of parts, or becomes more than memory holds, is read no further', [
  { name: 'lists of JSON', read: () => checkJson('[],'.repeat(million)) },
  { name: 'lines', read: () => jsonLinesIn('{}\n'.repeat(million), 0) },
  { name: 'streams of Loki', read: () => lokiProtoLines(empty(0x0a)) },
  { name: 'labels of a stream', read: () => lokiProtoLines(bytesField(1, empty(0x0a))) },
  { name: 'lines of a stream', read: () => lokiProtoLines(bytesField(1, empty(0x12))) },
  { name: 'fields of a line', read: () => lokiProtoLines(bytesField(1, bytesField(2, empty(0x1a)))) },
  { name: 'a large label on many lines', read: () => lokiProtoLines(bytesField(1, Buffer.concat([label, empty(0x12, 10_000)]))) },
  { name: 'a large label on many lines, in JSON', read: () => lokiJsonLines({ streams: [{ stream: { a: 'x'.repeat(million) }, values: Array.from({ length: 10_000 }, () => ['1', '']) }] }) },
  { name: 'streams in JSON', read: () => lokiJsonLines({ streams: Array.from({ length: million }, () => ({ values: [] })) }) },
  { name: 'records of OpenTelemetry', read: () => otlpLines({ resourceLogs: [{ scopeLogs: [{ logRecords: Array.from({ length: million }, () => ({})) }] }] }, 0) },
  { name: 'resources of OpenTelemetry, as Protocol Buffers', read: () => otlpProtoLines(empty(0x0a), 0) },
  { name: 'records of OpenTelemetry, as Protocol Buffers', read: () => otlpProtoLines(bytesField(1, bytesField(2, empty(0x12, 30_000))), 0) },
  { name: 'attributes of a record, as Protocol Buffers', read: () => otlpProtoLines(bytesField(1, bytesField(2, bytesField(2, empty(0x32)))), 0) },
  { name: 'rows of rows', read: () => otlpLines({ resourceLogs: Array.from({ length: 1000 }, () => ({ scopeLogs: Array.from({ length: 1000 }, () => ({})) })) }, 0) },
], ({ read }) => assert.throws(read, PushTooLarge))

test('as many lines as may be are taken, and labels that are one endless name are read in one go', () => {
  assert.equal(lokiJsonLines({ streams: [{ stream: { job: 'j' }, values: Array.from({ length: 20_000 }, () => ['1', 'x'.repeat(200)]) }] }).length, 20_000)
  assert.equal(jsonLinesIn('{}\n'.repeat(20_000), 0).length, 20_000)
  checkJson(`"${'[{\\\\\\"'.repeat(million)}"`)
  const [line] = lokiProtoLines(bytesField(1, Buffer.concat([bytesField(1, Buffer.from(`{${'a'.repeat(million)}, job="j"}`)), empty(0x12, 1)])))
  assert.equal(line?.functionName, 'j')
})

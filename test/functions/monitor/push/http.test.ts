/** Each form that lines are pushed in, over HTTP, as its senders send it: the answer, and the line found again. */
import * as assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { deflateSync, gzipSync } from 'node:zlib'
import { bytesField, bytesOf, fieldsOfMessage, textOf, varintField } from '../../../../functions/monitor/push/protobuf.ts'
import { snap } from '../../../../functions/monitor/push/snappy.ts'
import { test } from '../../../kit.ts'
import { type Monitor, startMonitor } from '../started-monitor.ts'

const LINES = { path: '/v1/lines', type: 'application/x-ndjson' }
const LOKI_JSON = { path: '/loki/api/v1/push', type: 'application/json' }
const LOKI_PROTO = { path: '/loki/api/v1/push', type: 'application/x-protobuf' }
const OTLP_JSON = { path: '/otlp/v1/logs', type: 'application/json' }
const OTLP_PROTO = { path: '/otlp/v1/logs', type: 'application/x-protobuf' }
type Form = typeof LINES

const text = (value: string): Buffer => Buffer.from(value)
const label = (key: string, value: string): Buffer => Buffer.concat([bytesField(1, text(key)), bytesField(2, bytesField(1, text(value)))])

/** Of the name and the text, at a time. */
const bodies: ReadonlyMap<Form, (name: string, line: string, atMs: number) => Buffer> = new Map([
  [LINES, (name, line, atMs) => text(JSON.stringify({ time: new Date(atMs).toISOString(), function: name, message: line }))],
  [LOKI_JSON, (name, line, atMs) => text(JSON.stringify({ streams: [{ stream: { job: name }, values: [[`${atMs}000000`, line]] }] }))],
  [LOKI_PROTO, (name, line, atMs) => snap(bytesField(1, Buffer.concat([
    bytesField(1, text(`{job="${name}"}`)), bytesField(2, Buffer.concat([bytesField(1, varintField(1, BigInt(Math.trunc(atMs / 1000)))), bytesField(2, text(line))])),
  ])))],
  [OTLP_JSON, (name, line, atMs) => text(JSON.stringify({ resourceLogs: [{
    resource: { attributes: [{ key: 'service.name', value: { stringValue: name } }] },
    scopeLogs: [{ logRecords: [{ timeUnixNano: `${atMs}000000`, body: { stringValue: line } }] }],
  }] }))],
  [OTLP_PROTO, (name, line, atMs) => exportRequest(name, [record(line, atMs)])],
])

function exportRequest(name: string, records: readonly Buffer[]): Buffer {
  return bytesField(1, Buffer.concat([bytesField(1, bytesField(1, label('service.name', name))), bytesField(2, Buffer.concat(records))]))
}

function record(line: string, atMs: number): Buffer {
  const time = Buffer.alloc(9, 1 << 3 | 1)
  time.writeBigUInt64LE(BigInt(atMs) * 1_000_000n, 1)
  return bytesField(2, Buffer.concat([time, bytesField(5, bytesField(1, text(line)))]))
}

async function send(monitor: Monitor, { path, type }: Form, body: Uint8Array, headers: Record<string, string> = {}) {
  const answer = await monitor.call('POST', path, { body: new Uint8Array(body), headers: { 'content-type': type, ...headers } })
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
}

test('a line is found again in whatever form it was pushed, packed or not', async () => {
  await using monitor = await startMonitor()
  const codings: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [['identity', (bytes) => bytes], ['gzip', gzipSync], ['deflate', deflateSync]]
  let n = 0
  for (const [form, bodyOf] of bodies) for (const [coding, pack] of codings) {
    const what = `${form.path} ${form.type} ${coding}`
    const name = `sender-${++n}`
    const { status, type, bytes } = await send(monitor, form, pack(bodyOf(name, 'it broke', Date.now())), { 'content-encoding': coding })
    const answers = new Map([[LINES, [200, '{"accepted":1}']], [OTLP_JSON, [200, '{}']], [OTLP_PROTO, [200, '']]])
    assert.deepEqual([status, bytes.toString()], answers.get(form) ?? [204, ''], what)
    if (form === OTLP_PROTO || form === OTLP_JSON) assert.equal(type.split(';')[0], form.type, what)
    const found = await monitor.lines(`function=${name}&text=it%20broke`)
    assert.equal(found.length, 1, what)
    assert.match(found[0]?.text ?? '', /it broke/, what)
  }
})

test('OpenTelemetry is told how many lines were left out and why, and of errors by a status, in the form that it sends', async () => {
  await using monitor = await startMonitor({ max_push_size: '10Ki' })
  const far = Date.parse('2001-01-01')
  const partly = await send(monitor, OTLP_PROTO, exportRequest('half', [record('old', far), record('new', Date.now()), record('older', far)]))
  const [partial] = [...fieldsOfMessage(partly.bytes)]
  assert.ok(partial?.number === 1)
  const [rejected, why] = [...fieldsOfMessage(bytesOf(partial))]
  assert.deepEqual([partly.status, rejected?.number, rejected?.value, why?.number], [200, 1, 2n, 2])
  assert.equal(why && textOf(why), 'line 1 is older than lines are kept')
  assert.deepEqual((await monitor.lines('function=half')).length, 1)
  const asJson = bodies.get(OTLP_JSON)?.('half', 'old', far) ?? text('')
  assert.deepEqual(JSON.parse((await send(monitor, OTLP_JSON, asJson)).bytes.toString()), { partialSuccess: { rejectedLogRecords: '1', errorMessage: 'line 1 is older than lines are kept' } })

  const refusals: readonly (readonly [number, RegExp, Uint8Array, Record<string, string>?])[] = [
    [400, /^the body cannot be taken: /, text('{')],
    [400, /^the body cannot be taken: /, text('not packed'), { 'content-encoding': 'gzip' }],
    [413, /^unpacked, a push may have 20480 bytes$/, gzipSync(Buffer.alloc(2 ** 20)), { 'content-encoding': 'gzip' }],
    [413, /^the body is larger than /, Buffer.alloc(11 * 1024)],
    [415, /^send the body uncompressed or gzip or deflate, not as br$/, text('{}'), { 'content-encoding': 'br' }],
    [401, /token/, text('{}'), { authorization: 'Bearer wrong-token-0123456789' }],
  ]
  for (const form of [OTLP_JSON, OTLP_PROTO]) for (const [status, says, body, headers] of refusals) {
    const answer = await send(monitor, form, body, headers)
    const [, field] = form === OTLP_JSON ? ['', undefined] : [...[undefined], ...fieldsOfMessage(answer.bytes)]
    const message = form === OTLP_JSON ? JSON.parse(answer.bytes.toString()).message : field && field.number === 2 ? textOf(field) : undefined
    assert.deepEqual([answer.status, answer.type.split(';')[0]], [status, form.type], String(says))
    assert.match(String(message), says)
  }
  assert.equal((await send(monitor, { ...OTLP_JSON, type: 'text/plain' }, text('{}'))).status, 415)
})

test('a bomb is refused, in each form, and memory does not grow with what it would become, nor with how many come at once', async () => {
  // As in a pod.
  await using monitor = await startMonitor({ NODE_OPTIONS: '--max-old-space-size=192' })
  // A gigabyte, in a megabyte: packed parts behind each other are one.
  const bomb = Buffer.concat(Array<Buffer>(64).fill(gzipSync(Buffer.alloc(2 ** 24))))
  const answers = await Promise.all([...bodies.keys()].map((form) => send(monitor, form, bomb, { 'content-encoding': 'gzip' })))
  // Millions of lists, in kilobytes: small enough when it is unpacked, not when it is parsed.
  const lists = gzipSync(text(`{"a":[${'[],'.repeat(2.6e6)}[]]}`))
  for (const form of [LINES, LOKI_JSON, OTLP_JSON]) answers.push(await send(monitor, form, lists, { 'content-encoding': 'gzip' }))
  assert.deepEqual(answers.map(({ status }) => status), answers.map(() => 413))
  const peak = Number(/^VmHWM:\s*(\d+) kB/m.exec(await readFile(`/proc/${monitor.process.pid()}/status`, 'utf8'))?.[1])
  assert.ok(peak < 256 * 1024, `${peak} kB`)
  // Full of lines that are kept, in kilobytes: each has its place, and all together would not.
  const many = gzipSync(text(`{"function":"many","message":"${'x'.repeat(350)}"}\n`.repeat(20_000)), { level: 1 })
  const taken = await Promise.all(Array.from({ length: 24 }, () => send(monitor, LINES, many, { 'content-encoding': 'gzip' })))
  assert.deepEqual(new Set(taken.map(({ status }) => status)), new Set([200, 429]))
  assert.equal((await monitor.push([{ message: 'on it goes' }])).status, 200)
})

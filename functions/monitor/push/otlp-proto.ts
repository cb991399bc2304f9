/** Logs of OpenTelemetry as Protocol Buffers: opentelemetry-proto's collector/logs/v1, logs/v1 and common/v1, read into what the JSON says. Pure. */
import { type ExportLogsRequest, linesIn, MAX_DEPTH } from './otlp.ts'
import { bytesOf, fixed64Of, type ProtoField, textOf, varintOf } from './protobuf.ts'
import { checkLines, createFieldReader } from './push-size.ts'
import type { PushedLine } from './pushed-line.ts'

type ResourceLogs = ExportLogsRequest['resourceLogs'][number]
type ScopeLogs = ResourceLogs['scopeLogs'][number]
type LogRecord = ScopeLogs['logRecords'][number]
type KeyValue = LogRecord['attributes'][number]
/** Of one push, with what was counted of it. */
type Reader = { fields(message: ProtoField): Iterable<ProtoField>; countLine(): void }

/** ExportLogsServiceRequest. Throws `RangeError` for what is none, `PushTooLarge` for what is too much. */
export function otlpProtoLines(message: Buffer, nowMs: number): readonly PushedLine[] {
  const fieldsIn = createFieldReader()
  let lines = 0
  const reader: Reader = { fields: (field) => fieldsIn(bytesOf(field)), countLine: () => checkLines(++lines) }
  const resourceLogs = Array.from(fieldsIn(message)).flatMap((field) => field.number === 1 ? [resourceLogsIn(field, reader)] : [])
  return linesIn({ resourceLogs }, nowMs)
}

function resourceLogsIn(message: ProtoField, reader: Reader): ResourceLogs {
  const attributes: KeyValue[] = []
  const scopeLogs: ScopeLogs[] = []
  for (const field of reader.fields(message)) {
    if (field.number === 1) for (const one of reader.fields(field)) if (one.number === 1) attributes.push(keyValueIn(one, reader, 0))
    if (field.number === 2) scopeLogs.push(scopeLogsIn(field, reader))
  }
  return { resource: { attributes }, scopeLogs }
}

function scopeLogsIn(message: ProtoField, reader: Reader): ScopeLogs {
  const logRecords: LogRecord[] = []
  for (const field of reader.fields(message)) if (field.number === 2) logRecords.push(logRecordIn(field, reader))
  return { logRecords }
}

function logRecordIn(message: ProtoField, reader: Reader): LogRecord {
  reader.countLine()
  const record: { -readonly [Name in keyof LogRecord]: LogRecord[Name] } = { body: undefined, attributes: [] }
  for (const field of reader.fields(message)) {
    switch (field.number) {
      case 1: record.timeUnixNano = nanosIn(field); break
      case 2: record.severityNumber = Number(varintOf(field)); break
      case 3: record.severityText = textOf(field); break
      case 5: record.body = anyValueIn(field, reader, 0); break
      case 6: record.attributes.push(keyValueIn(field, reader, 0)); break
      case 9: record.traceId = bytesOf(field).toString('hex'); break
      case 10: record.spanId = bytesOf(field).toString('hex'); break
      case 11: record.observedTimeUnixNano = nanosIn(field); break
    }
  }
  return record
}

function keyValueIn(message: ProtoField, reader: Reader, depth: number): KeyValue {
  let [key, value]: [string, unknown] = ['', undefined]
  for (const field of reader.fields(message)) {
    if (field.number === 1) key = textOf(field)
    if (field.number === 2) value = anyValueIn(field, reader, depth)
  }
  return { key, value }
}

/** Deeper than anybody reads it is not looked into: who nests without end would have this call itself without end. */
function anyValueIn(message: ProtoField, reader: Reader, depth: number): unknown {
  if (depth > MAX_DEPTH) return undefined
  let value: unknown
  const listIn = <T>(list: ProtoField, itemIn: (item: ProtoField, reader: Reader, depth: number) => T): { readonly values: readonly T[] } =>
    ({ values: Array.from(reader.fields(list)).flatMap((item) => item.number === 1 ? [itemIn(item, reader, depth + 1)] : []) })
  for (const field of reader.fields(message)) {
    switch (field.number) {
      case 1: value = { stringValue: textOf(field) }; break
      case 2: value = { boolValue: varintOf(field) !== 0n }; break
      case 3: value = { intValue: Number(BigInt.asIntN(64, varintOf(field))) }; break
      case 4: value = { doubleValue: fixed64Of(field).readDoubleLE() }; break
      case 5: value = { arrayValue: listIn(field, anyValueIn) }; break
      case 6: value = { kvlistValue: listIn(field, keyValueIn) }; break
      case 7: value = { bytesValue: bytesOf(field).toString('base64') }; break
    }
  }
  return value
}

function nanosIn(field: ProtoField): number {
  return Number(fixed64Of(field).readBigUInt64LE())
}

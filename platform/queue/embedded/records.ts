/** What the log's records say: a message, or what became of one. JSON, then the body. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { Head } from '../queue.ts'

export type Death = { readonly reason: string; readonly atMs: number }

/** Times are of the wall clock, in milliseconds since 1970. */
export type Put = {
  readonly type: 'put'
  readonly seq: number
  readonly head: Head
  readonly enqueuedAtMs: number
  readonly attempts: number
  /** Due so long after `sinceMs`. */
  readonly sinceMs: number
  readonly delayMs: number
  /** Hash of the idempotency key. */
  readonly key?: string
  readonly death?: Death
  /** What the same step did to another message. */
  readonly also?: Change
}

export type Change =
  /** Done, cancelled or removed. */
  | { readonly type: 'end'; readonly seq: number }
  | { readonly type: 'retry'; readonly seq: number; readonly sinceMs: number; readonly delayMs: number; readonly attempts: number }
  | { readonly type: 'dead'; readonly seq: number; readonly death: Death; readonly attempts: number }
  | { readonly type: 'redrive'; readonly seq: number; readonly sinceMs: number }

/** A key that outlives its message. */
export type Key = { readonly type: 'key'; readonly key: string; readonly callId: string; readonly enqueuedAtMs: number }

/** Numbers below it have been given out. */
export type Counter = { readonly type: 'counter'; readonly seq: number }

export type LogRecord = Put | Change | Key | Counter

const NO_BODY = new Uint8Array(0)
const JSON_LENGTH_BYTES = 4

/** The parts of a record's payload. */
export function encodeRecord(record: LogRecord, body: Uint8Array = NO_BODY): readonly Uint8Array[] {
  const json = Buffer.from(JSON.stringify(record))
  const length = Buffer.allocUnsafe(JSON_LENGTH_BYTES)
  length.writeUInt32LE(json.length)
  return [length, json, body]
}

/** Throws when it is not a record of this version. */
export function decodeRecord(payload: Buffer): { readonly record: LogRecord; readonly body: Buffer } {
  const end = JSON_LENGTH_BYTES + payload.readUInt32LE(0)
  return { record: parseRecord(JSON.parse(payload.toString('utf8', JSON_LENGTH_BYTES, end))), body: payload.subarray(end) }
}

type Json = Readonly<Record<string, unknown>>

function parseRecord(value: unknown): LogRecord {
  const json = object(value)
  switch (json['type']) {
    case 'put': return parsePut(json)
    case 'key': return { type: 'key', key: text(json, 'key'), callId: text(json, 'callId'), enqueuedAtMs: number(json, 'enqueuedAtMs') }
    case 'counter': return { type: 'counter', seq: number(json, 'seq') }
    default: return parseChange(json)
  }
}

function parsePut(json: Json): Put {
  return {
    type: 'put', seq: number(json, 'seq'), head: parseHead(object(json['head'])), enqueuedAtMs: number(json, 'enqueuedAtMs'),
    attempts: number(json, 'attempts'), sinceMs: number(json, 'sinceMs'), delayMs: number(json, 'delayMs'),
    ...(json['key'] === undefined ? {} : { key: text(json, 'key') }),
    ...(json['death'] === undefined ? {} : { death: parseDeath(json) }),
    ...(json['also'] === undefined ? {} : { also: parseChange(object(json['also'])) }),
  }
}

function parseChange(json: Json): Change {
  const seq = number(json, 'seq')
  switch (json['type']) {
    case 'end': return { type: 'end', seq }
    case 'retry': return { type: 'retry', seq, sinceMs: number(json, 'sinceMs'), delayMs: number(json, 'delayMs'), attempts: number(json, 'attempts') }
    case 'dead': return { type: 'dead', seq, death: parseDeath(json), attempts: number(json, 'attempts') }
    case 'redrive': return { type: 'redrive', seq, sinceMs: number(json, 'sinceMs') }
    default: throw unreadable('type')
  }
}

function parseDeath(json: Json): Death {
  const death = object(json['death'])
  return { reason: text(death, 'reason'), atMs: number(death, 'atMs') }
}

function parseHead(json: Json): Head {
  const common = { ref: parseRef(object(json['ref'])), callId: text(json, 'callId'), headers: texts(json, 'headers') }
  switch (json['kind']) {
    case 'call': return {
      kind: 'call', ...common, method: text(json, 'method'), path: text(json, 'path'),
      ...(json['callbackUrl'] === undefined ? {} : { callbackUrl: text(json, 'callbackUrl') }),
    }
    case 'callback': return { kind: 'callback', ...common, url: text(json, 'url') }
    default: throw unreadable('kind')
  }
}

function parseRef(json: Json): FunctionRef {
  return { name: text(json, 'name'), namespace: text(json, 'namespace') }
}

function object(value: unknown): Json {
  if (!isObject(value)) throw unreadable('content')
  return value
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(json: Json, field: string): string {
  const value = json[field]
  if (typeof value !== 'string') throw unreadable(field)
  return value
}

function number(json: Json, field: string): number {
  const value = json[field]
  if (typeof value !== 'number' || !Number.isFinite(value)) throw unreadable(field)
  return value
}

function texts(json: Json, field: string): readonly string[] {
  const value = json[field]
  if (!Array.isArray(value)) throw unreadable(field)
  return value.map((one: unknown) => {
    if (typeof one !== 'string') throw unreadable(field)
    return one
  })
}

function unreadable(field: string): BrambleError {
  return new BrambleError('INTERNAL', `its ${field} cannot be read`)
}

/** What OTLP/HTTP wants as an answer: in the form of the request, and errors as google.rpc.Status. Pure. */
import type { IncomingMessage } from 'node:http'
import { type Answer, type AnswerHeaders, json } from '@bramble/runtime/service/answer'
import { typeOf } from '@bramble/runtime/service/body'
import type { Problem } from '@bramble/runtime/service/problem'
import type { AnswerSpec } from '@bramble/runtime/service/route'
import { bytesField, varintField } from '../push/protobuf.ts'

const PROTOBUF = 'application/x-protobuf'
export const OTLP_TYPES = [PROTOBUF, 'application/json'] as const

const refusal: AnswerSpec = { description: 'google.rpc.Status: `message` says what is wrong', type: OTLP_TYPES }
export const otlpRefusals = { 400: refusal, 401: refusal, 413: refusal, 415: refusal, 429: refusal, 500: refusal, 503: refusal }
/** What the protocol has one of its own for: what cannot be decoded, and what is to be sent again (of 507 senders let the lines go). */
const statuses: Readonly<Record<number, number>> = { 422: 400, 507: 503 }

export function isProtobuf(request: IncomingMessage): boolean {
  return typeOf(request) === PROTOBUF
}

/** ExportLogsServiceResponse: nothing in it, where all was kept. */
export function exportAnswer(request: IncomingMessage, rejected: number, why: string): Answer {
  if (!isProtobuf(request)) return json(rejected === 0 ? {} : { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: why } })
  return protobuf(rejected === 0 ? Buffer.alloc(0) : bytesField(1, Buffer.concat([varintField(1, BigInt(rejected)), bytesField(2, Buffer.from(why))])))
}

/** Who sends neither form is answered as JSON. */
export function statusAnswer({ status: own, message, headers }: Problem, request: IncomingMessage): Answer {
  const status = statuses[own] ?? own
  return isProtobuf(request) ? protobuf(bytesField(2, Buffer.from(message)), status, headers) : json({ message }, status, headers)
}

function protobuf(body: Buffer, status = 200, headers: AnswerHeaders = {}): Answer {
  return { status, headers: { 'content-type': PROTOBUF, ...headers }, body }
}

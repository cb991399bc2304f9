/** Lines that others send. An answer means: they are in the log's file, and survive a kill of this service. */
import type { IncomingMessage } from 'node:http'
import { json, nothing } from '@bramble/runtime/service/answer'
import { ANY_TYPE, encodingOf, readBytes } from '@bramble/runtime/service/body'
import { busy, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { LogStore } from '../logs/log-store.ts'
import { jsonLinesIn } from '../push/json-lines.ts'
import { lokiJsonLines, lokiProtoLines } from '../push/loki.ts'
import { otlpLines } from '../push/otlp.ts'
import { otlpProtoLines } from '../push/otlp-proto.ts'
import { checkJson, checkLines, PushTooLarge, UNPACKED_FACTOR } from '../push/push-size.ts'
import { createPushedNames } from '../push/pushed-names.ts'
import { lineOf, type PushedLine, troubleWithTime } from '../push/pushed-line.ts'
import { unsnap } from '../push/snappy.ts'
import { ENCODINGS, unpack } from '../push/unpack.ts'
import { exportAnswer, isProtobuf, OTLP_TYPES, otlpRefusals, statusAnswer } from './otlp-answer.ts'

export type PushRoutesDeps = { readonly store: LogStore; readonly maxPushBytes: number; readonly retentionMs: number; readonly nowMs: () => number }

/** Of all pushes that are not kept yet, unpacked: the bound of bodies sees them as they come, and while they come. */
const HELD_BYTES = 16 * 2 ** 20
const BUSY_SECONDS = 1
const LINES_TYPE = 'application/x-ndjson'
const keyHeader = z.object({ 'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A push sent again with its key is kept once') })
const Accepted = z.object({ accepted: z.int() })

export function pushRoutes({ store, maxPushBytes, retentionMs, nowMs }: PushRoutesDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const same = { method: 'post', tag: 'push', access: 'token', headers: keyHeader, encodings: ENCODINGS } as const
  const maxUnpackedBytes = maxPushBytes * UNPACKED_FACTOR

  let heldBytes = 0
  /** Reads a push, whatever it is packed in, and hands its lines on. */
  const take = async <T>(request: IncomingMessage, read: (bytes: Buffer) => readonly PushedLine[], then: (lines: readonly PushedLine[]) => Promise<T>): Promise<T> => {
    const sent = await readBytes(request, maxPushBytes)
    const isPacked = ENCODINGS.some((one) => one === encodingOf(request))
    const bytes = isPacked ? attempt(() => unpack(sent, maxUnpackedBytes)) : sent
    // One alone is always taken.
    if (heldBytes > 0 && heldBytes + bytes.length > HELD_BYTES) throw busy('as many pushes are being kept as may be at once', BUSY_SECONDS)
    heldBytes += bytes.length
    try {
      return await then(attempt(() => {
        const lines = read(bytes)
        checkLines(lines.length)
        return lines
      }))
    } finally {
      heldBytes -= bytes.length
    }
  }
  const troubleWith = ({ timeMs }: PushedLine): string | undefined => troubleWithTime(timeMs, nowMs(), retentionMs)

  const named = createPushedNames()
  const keep = async (lines: readonly PushedLine[], key: string | undefined): Promise<void> => {
    if (lines.length === 0) return
    try {
      await store.append(lines.map((line) => named(lineOf(line))), key)
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')) {
        throw new Problem(507, 'disk_full', 'the disk is full: the lines were not kept', { cause })
      }
      throw cause
    }
  }
  /** Or none of them. */
  const keepAll = async (lines: readonly PushedLine[], key: string | undefined): Promise<void> => {
    for (const [i, line] of lines.entries()) {
      const trouble = troubleWith(line)
      if (trouble !== undefined) throw invalid(`line ${i + 1} ${trouble}`)
    }
    await keep(lines, key)
  }

  return [
    route({
      ...same, at: '/v1/lines', id: 'pushLines', summary: 'Keeps lines: one JSON object on each',
      description: '`time`, `function`, `instance`, `level`, `callId` and `message` mean what they say; the whole line is kept. Without a time it is now.',
      upload: LINES_TYPE, answers: { 200: { description: 'They are kept', schema: Accepted } },
      async handle({ request, headers }) {
        return take(request, (bytes) => jsonLinesIn(textIn(bytes), nowMs()), async (lines) => {
          await keepAll(lines, headers['idempotency-key'])
          return json({ accepted: lines.length })
        })
      },
    }),

    route({
      ...same, at: '/loki/api/v1/push', id: 'pushLoki', summary: "Loki's push API: JSON, or Protocol Buffers under Snappy",
      // Some say it of what is under Snappy in any case.
      encodings: [...ENCODINGS, 'snappy'], upload: ANY_TYPE, answers: { 204: { description: 'They are kept' } },
      async handle({ request, headers }) {
        const isJson = (request.headers['content-type'] ?? '').startsWith('application/json')
        await take(request, (bytes) => isJson ? lokiJsonLines(jsonIn(bytes)) : lokiProtoLines(unsnap(bytes, maxUnpackedBytes)), (lines) => keepAll(lines, headers['idempotency-key']))
        return nothing()
      },
    }),

    route({
      ...same, at: '/otlp/v1/logs', id: 'pushOtlp', summary: 'OTLP/HTTP logs: Protocol Buffers or JSON',
      description: 'ExportLogsServiceRequest. Lines whose time cannot be are left out, and counted in `partial_success`. Errors are google.rpc.Status.',
      upload: OTLP_TYPES, answers: { 200: { description: 'ExportLogsServiceResponse, in the form of the request', type: OTLP_TYPES }, ...otlpRefusals }, refuse: statusAnswer,
      async handle({ request, headers }) {
        return take(request, (bytes) => isProtobuf(request) ? otlpProtoLines(bytes, nowMs()) : otlpLines(jsonIn(bytes), nowMs()), async (lines) => {
          const troubles = lines.map(troubleWith)
          await keep(lines.filter((_, i) => troubles[i] === undefined), headers['idempotency-key'])
          const rejected = troubles.filter((trouble) => trouble !== undefined)
          const first = troubles.findIndex((trouble) => trouble !== undefined)
          return exportAnswer(request, rejected.length, `line ${first + 1} ${rejected[0] ?? ''}`)
        })
      },
    }),
  ]
}

/** What a reader says against the bytes is the caller's fault. */
function attempt<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PushTooLarge) throw new Problem(413, 'too_large', error.message)
    if (error instanceof z.ZodError) {
      const errors = error.issues.slice(0, 5).map(({ path, message }) => ({ in: 'body' as const, path: path.map((step) => `/${String(step)}`).join(''), detail: message }))
      throw new Problem(422, 'invalid_lines', errors.map(({ path, detail }) => `body${path}: ${detail}`).join('; '), { errors })
    }
    throw invalid(error instanceof Error ? error.message : String(error))
  }
}

function invalid(detail: string): Problem {
  return new Problem(422, 'invalid_lines', `the body cannot be taken: ${detail}`, { errors: [{ in: 'body', path: '', detail }] })
}

function jsonIn(bytes: Buffer): unknown {
  const text = textIn(bytes)
  checkJson(text)
  return JSON.parse(text)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textIn(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Problem(422, 'bad_encoding', 'the body is not UTF-8', { cause })
  }
}

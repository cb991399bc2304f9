/** Lines that others send. An answer means: they are in the log's file, and survive a kill of this service. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { ANY_TYPE, readBytes } from '@bramble/runtime/service/body'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { LogStore } from '../logs/log-store.ts'
import { jsonLinesIn } from '../push/json-lines.ts'
import { lokiJsonLines, lokiProtoLines } from '../push/loki.ts'
import { otlpLines } from '../push/otlp.ts'
import { checkLines, PushTooLarge } from '../push/push-size.ts'
import { createPushedNames } from '../push/pushed-names.ts'
import { lineOf, type PushedLine, troubleWithTime } from '../push/pushed-line.ts'
import { unsnap } from '../push/snappy.ts'

export type PushRoutesDeps = { readonly store: LogStore; readonly maxPushBytes: number; readonly retentionMs: number; readonly nowMs: () => number }

const LINES_TYPE = 'application/x-ndjson'
const keyHeader = z.object({ 'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A push sent again with its key is kept once') })
const Accepted = z.object({ accepted: z.int() })

export function pushRoutes({ store, maxPushBytes, retentionMs, nowMs }: PushRoutesDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const same = { method: 'post', tag: 'push', access: 'token', headers: keyHeader } as const

  const named = createPushedNames()
  const keep = async (read: () => readonly PushedLine[], key: string | undefined): Promise<number> => {
    const lines = attempt(read)
    for (const [i, { timeMs }] of lines.entries()) {
      const trouble = troubleWithTime(timeMs, nowMs(), retentionMs)
      if (trouble !== undefined) throw invalid(`line ${i + 1} ${trouble}`)
    }
    if (lines.length === 0) return 0
    try {
      await store.append(lines.map((line) => named(lineOf(line))), key)
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')) {
        throw new Problem(507, 'disk_full', 'the disk is full: the lines were not kept', { cause })
      }
      throw cause
    }
    return lines.length
  }

  return [
    route({
      ...same, at: '/v1/lines', id: 'pushLines', summary: 'Keeps lines: one JSON object on each',
      description: '`time`, `function`, `instance`, `level`, `callId` and `message` mean what they say; the whole line is kept. Without a time it is now.',
      upload: LINES_TYPE, answers: { 200: { description: 'They are kept', schema: Accepted } },
      async handle({ request, headers }) {
        const text = textIn(await readBytes(request, maxPushBytes))
        return json({ accepted: await keep(() => jsonLinesIn(text, nowMs()), headers['idempotency-key']) })
      },
    }),

    route({
      ...same, at: '/loki/api/v1/push', id: 'pushLoki', summary: "Loki's push API: JSON, or Protocol Buffers under Snappy",
      upload: ANY_TYPE, answers: { 204: { description: 'They are kept' } },
      async handle({ request, headers }) {
        const bytes = await readBytes(request, maxPushBytes)
        const isJson = (request.headers['content-type'] ?? '').startsWith('application/json')
        await keep(() => isJson ? lokiJsonLines(JSON.parse(textIn(bytes))) : lokiProtoLines(unsnap(bytes, maxPushBytes * 2)), headers['idempotency-key'])
        return nothing()
      },
    }),

    route({
      ...same, at: '/otlp/v1/logs', id: 'pushOtlp', summary: 'OTLP/HTTP logs as JSON, uncompressed',
      upload: 'application/json', answers: { 200: { description: 'They are kept', type: 'application/json' } },
      async handle({ request, headers }) {
        const bytes = await readBytes(request, maxPushBytes)
        await keep(() => otlpLines(JSON.parse(textIn(bytes)), nowMs()), headers['idempotency-key'])
        return json({})
      },
    }),
  ]
}

/** What a reader says against the bytes is the caller's fault. */
function attempt(read: () => readonly PushedLine[]): readonly PushedLine[] {
  try {
    const lines = read()
    checkLines(lines.length)
    return lines
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

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textIn(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Problem(422, 'bad_encoding', 'the body is not UTF-8', { cause })
  }
}

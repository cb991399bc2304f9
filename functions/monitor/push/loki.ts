/** What Promtail, Alloy, Fluent Bit and Docker's driver send to Loki: JSON, or Protocol Buffers under Snappy. Pure. */
import * as z from 'zod'
import { bytesOf, fieldsOfMessage, textOf } from './protobuf.ts'
import { type PushedLine, withFields } from './pushed-line.ts'

const Streams = z.object({
  streams: z.array(z.object({
    stream: z.record(z.string(), z.string()).default({}),
    values: z.array(z.tuple([z.string().regex(/^\d{1,19}$/), z.string()], z.unknown())),
  })),
})
type Labels = Readonly<Record<string, string>>

const NANOS_PER_MILLI = 1e6

/** Throws for what has another form. */
export function lokiJsonLines(body: unknown): readonly PushedLine[] {
  return Streams.parse(body).streams.flatMap(({ stream, values }) => values.map(([nanos, text, more]) =>
    pushed({ ...stream, ...labelsIn(more) }, Number(nanos) / NANOS_PER_MILLI, text)))
}

/** PushRequest of Loki's push.proto, unpacked already. Throws `RangeError` for what is none. */
export function lokiProtoLines(message: Buffer): readonly PushedLine[] {
  const lines: PushedLine[] = []
  for (const stream of fieldsOfMessage(message)) {
    if (stream.number !== 1) continue
    let labels: Labels = {}
    const entries: { timeMs: number; text: string; more: Record<string, string> }[] = []
    for (const field of fieldsOfMessage(bytesOf(stream))) {
      if (field.number === 1) labels = labelsInText(textOf(field))
      if (field.number === 2) entries.push(entryIn(bytesOf(field)))
    }
    for (const { timeMs, text, more } of entries) lines.push(pushed({ ...labels, ...more }, timeMs, text))
  }
  return lines
}

function entryIn(message: Buffer): { timeMs: number; text: string; more: Record<string, string> } {
  let [timeMs, text] = [NaN, '']
  const more: Record<string, string> = {}
  for (const field of fieldsOfMessage(message)) {
    if (field.number === 1) {
      timeMs = 0
      for (const { number, value } of fieldsOfMessage(bytesOf(field))) {
        if (typeof value === 'bigint') timeMs += number === 1 ? Number(value) * 1000 : Number(value) / NANOS_PER_MILLI
      }
    }
    if (field.number === 2) text = textOf(field)
    if (field.number === 3) {
      const [name = '', value = ''] = [...fieldsOfMessage(bytesOf(field))].map(textOf)
      more[name] = value
    }
  }
  return { timeMs, text, more }
}

function pushed(labels: Labels, timeMs: number, text: string): PushedLine {
  const { function: functionName, service_name, job, instance, host, ...rest } = labels
  return { timeMs, functionName: functionName ?? service_name ?? job ?? '', instance: instance ?? host ?? '', text: withFields(text, rest) }
}

/** `{job="a", level="warn"}` */
function labelsInText(text: string): Labels {
  return Object.fromEntries([...text.matchAll(/([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map(([, name = '', value = '']) => [name, value.replace(/\\(.)/g, (_, one: string) => one === 'n' ? '\n' : one)]))
}

function labelsIn(value: unknown): Labels {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)])) : {}
}

/** What Promtail, Alloy, Fluent Bit and Docker's driver send to Loki: JSON, or Protocol Buffers under Snappy. Pure. */
import * as z from 'zod'
import { bytesOf, type ProtoField, textOf } from './protobuf.ts'
import { checkLines, checkParts, createFieldReader, createTextCounter } from './push-size.ts'
import { type PushedLine, withFields } from './pushed-line.ts'

const Streams = z.object({
  streams: z.array(z.object({
    stream: z.record(z.string(), z.string()).default({}),
    values: z.array(z.tuple([z.string().regex(/^\d{1,19}$/), z.string()], z.unknown())),
  })),
})
type Labels = Readonly<Record<string, string>>
type Entry = { readonly timeMs: number; readonly text: string; readonly more: Labels }
type Fields = (message: Buffer) => Iterable<ProtoField>

const NANOS_PER_MILLI = 1e6

/** Throws for what has another form, `PushTooLarge` for what is too much. */
export function lokiJsonLines(body: unknown): readonly PushedLine[] {
  checkParts(body)
  const countText = createTextCounter()
  return Streams.parse(body).streams.flatMap(({ stream, values }) => {
    const labelsLength = lengthOf(stream)
    return values.map(([nanos, text, more]) => {
      countText(labelsLength + text.length)
      return pushed({ ...stream, ...labelsIn(more) }, Number(nanos) / NANOS_PER_MILLI, text)
    })
  })
}

/** PushRequest of Loki's push.proto, unpacked already. Throws `RangeError` for what is none, `PushTooLarge` for what is too much. */
export function lokiProtoLines(message: Buffer): readonly PushedLine[] {
  const countText = createTextCounter()
  const fieldsIn = createFieldReader()
  const lines: PushedLine[] = []
  let streams = 0
  for (const stream of fieldsIn(message)) {
    if (stream.number !== 1) continue
    checkLines(++streams)
    let labels: Labels = {}
    const entries: Entry[] = []
    for (const field of fieldsIn(bytesOf(stream))) {
      if (field.number === 1) labels = labelsInText(textOf(field))
      if (field.number === 2) checkLines(lines.length + entries.push(entryIn(bytesOf(field), fieldsIn)))
    }
    const labelsLength = lengthOf(labels)
    for (const { timeMs, text, more } of entries) {
      countText(labelsLength + text.length)
      lines.push(pushed({ ...labels, ...more }, timeMs, text))
    }
  }
  return lines
}

function entryIn(message: Buffer, fieldsIn: Fields): Entry {
  let [timeMs, text] = [NaN, '']
  const more: Record<string, string> = {}
  for (const field of fieldsIn(message)) {
    if (field.number === 1) {
      timeMs = 0
      for (const { number, value } of fieldsIn(bytesOf(field))) {
        if (typeof value === 'bigint') timeMs += number === 1 ? Number(value) * 1000 : Number(value) / NANOS_PER_MILLI
      }
    }
    if (field.number === 2) text = textOf(field)
    if (field.number === 3) {
      const [name = '', value = ''] = [...fieldsIn(bytesOf(field))].map(textOf)
      more[name] = value
    }
  }
  return { timeMs, text, more }
}

function pushed(labels: Labels, timeMs: number, text: string): PushedLine {
  const { function: functionName, service_name, job, instance, host, ...rest } = labels
  return { timeMs, functionName: functionName ?? service_name ?? job ?? '', instance: instance ?? host ?? '', text: withFields(text, rest) }
}

function lengthOf(labels: Labels): number {
  return Object.entries(labels).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
}

/** `{job="a", level="warn"}`. A name begins where none has begun: looking again from each of its letters takes for ever. */
function labelsInText(text: string): Labels {
  return Object.fromEntries([...text.matchAll(/(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*)="([^"\\]*(?:\\.[^"\\]*)*)"/g)]
    .map(([, name = '', value = '']) => [name, value.replace(/\\(.)/g, (_, one: string) => one === 'n' ? '\n' : one)]))
}

function labelsIn(value: unknown): Labels {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)])) : {}
}

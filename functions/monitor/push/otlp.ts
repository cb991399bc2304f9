/** Logs of OpenTelemetry (OTLP 1.x, ExportLogsServiceRequest), as JSON. Pure. */
import * as z from 'zod'
import { checkParts } from './push-size.ts'
import { type PushedLine, withFields } from './pushed-line.ts'

/** Of values in each other; what is deeper is left out. */
export const MAX_DEPTH = 8
const Nanos = z.union([z.string().regex(/^\d{1,20}$/), z.number().min(0)]).optional()
const Attributes = z.array(z.object({ key: z.string(), value: z.unknown() })).default([])
const Request = z.object({
  resourceLogs: z.array(z.object({
    resource: z.object({ attributes: Attributes }).optional(),
    scopeLogs: z.array(z.object({
      logRecords: z.array(z.object({
        timeUnixNano: Nanos, observedTimeUnixNano: Nanos, severityText: z.string().optional(), severityNumber: z.number().optional(),
        body: z.unknown(), attributes: Attributes, traceId: z.string().optional(), spanId: z.string().optional(),
      })).default([]),
    })).default([]),
  })).default([]),
})

export type ExportLogsRequest = z.output<typeof Request>

const NANOS_PER_MILLI = 1e6

/** Throws for what has another form, `PushTooLarge` for what is too much. */
export function otlpLines(body: unknown, nowMs: number): readonly PushedLine[] {
  checkParts(body)
  return linesIn(Request.parse(body), nowMs)
}

export function linesIn({ resourceLogs }: ExportLogsRequest, nowMs: number): readonly PushedLine[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) => {
    const of = fieldsIn(resource?.attributes ?? [])
    const textOf = (name: string): string => typeof of[name] === 'string' ? of[name] : ''
    return scopeLogs.flatMap(({ logRecords }) => logRecords.map((record): PushedLine => {
      const { timeUnixNano, observedTimeUnixNano, severityText, severityNumber, traceId, spanId } = record
      const nanos = Number(timeUnixNano ?? 0) || Number(observedTimeUnixNano ?? 0)
      const level = levelOf(severityText, severityNumber)
      const message = valueIn(record.body, 0)
      return {
        timeMs: nanos > 0 ? nanos / NANOS_PER_MILLI : nowMs,
        functionName: textOf('service.name'), instance: textOf('service.instance.id') || textOf('host.name'),
        text: withFields(typeof message === 'string' ? message : JSON.stringify(message ?? ''), {
          ...fieldsIn(record.attributes), ...(level !== '' && { level }), ...(traceId && { trace_id: traceId }), ...(spanId && { span_id: spanId }),
        }),
      }
    }))
  })
}

/** Of each level there are four numbers, from 1 on. */
function levelOf(text: string | undefined, number = 0): string {
  if (text) return text.toLowerCase()
  return ['', 'debug', 'debug', 'info', 'warn', 'error', 'error'][Math.ceil(number / 4)] ?? ''
}

function fieldsIn(attributes: z.output<typeof Attributes>): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueIn(value, 0)]))
}

/** AnyValue. */
function valueIn(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return undefined
  const [kind, inner]: readonly unknown[] = Object.entries(value)[0] ?? []
  if (kind === 'intValue') return Number(inner)
  if (kind === 'arrayValue') return z.object({ values: z.array(z.unknown()) }).safeParse(inner).data?.values.map((one) => valueIn(one, depth + 1))
  if (kind === 'kvlistValue') {
    const list = z.object({ values: Attributes }).safeParse(inner).data?.values ?? []
    return Object.fromEntries(list.map((one) => [one.key, valueIn(one.value, depth + 1)]))
  }
  return inner
}

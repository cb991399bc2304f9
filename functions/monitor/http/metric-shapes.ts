/** What callers send and get about metrics and boards, as schemas. */
import * as z from 'zod'

/** It is part of a line of a request, which has its own limit. */
const MAX_EXPRESSION_LENGTH = 800
/** As Prometheus takes it: RFC 3339, or seconds since 1970. */
const Moment = z.string().regex(/^(?:\d{1,11}(?:\.\d{1,9})?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))$/, 'must be RFC 3339 or seconds since 1970')
const Step = z.string().regex(/^(?:\d{1,8}(?:\.\d{1,3})?|\d{1,8}(?:ms|s|m|h|d))$/, 'must be seconds or a time like 15s, 5m')
const Query = z.string().min(1).max(MAX_EXPRESSION_LENGTH).describe('The part of PromQL that the README names')
/** Prometheus' clients send them. */
const timeout = z.string().max(20).optional()

export const instantQuery = z.strictObject({ query: Query, time: Moment.optional(), timeout })
export const rangeQuery = z.strictObject({ query: Query, start: Moment, end: Moment, step: Step, timeout })

const Labels = z.record(z.string(), z.string())
/** Seconds, and the value as text. */
const Point = z.array(z.union([z.number(), z.string()])).length(2)
const VectorElement = z.object({ metric: Labels, value: Point })
export const InstantAnswer = z.object({
  status: z.literal('success'),
  data: z.union([
    z.object({ resultType: z.literal('vector'), result: z.array(VectorElement) }),
    z.object({ resultType: z.literal('scalar'), result: Point }),
  ]),
})
export const RangeAnswer = z.object({
  status: z.literal('success'),
  data: z.object({ resultType: z.literal('matrix'), result: z.array(z.object({ metric: Labels, values: z.array(Point) })) }),
})

const amount = z.number().min(0).max(1e15).optional()
export const nodePath = z.strictObject({ name: z.string().regex(/^[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9, "-" and "."') })
export const NodeBody = z.strictObject({
  cpu_cores: amount, cpu_used: z.number().min(0).max(1).optional().describe('Of all cores, from 0 to 1'),
  memory_total_bytes: amount, memory_available_bytes: amount, disk_total_bytes: amount, disk_available_bytes: amount,
  temperature_celsius: z.number().min(-100).max(200).optional(),
  throttled: z.int().min(0).max(0xff_ffff).optional().describe("The firmware's bits (vcgencmd get_throttled): 0 under-voltage, 1 frequency capped, 2 throttled, 3 temperature limit"),
})
export const NodeList = z.object({
  items: z.array(z.object({ name: z.string(), up: z.boolean(), seen: z.string(), ...NodeBody.partial().shape })),
})

export function momentMs(text: string): number {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text)
}

export function stepMs(text: string): number {
  const [, digits = '', unit = 's'] = /^([\d.]+)(ms|s|m|h|d)?$/.exec(text) ?? []
  return Number(digits) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? 1000)
}

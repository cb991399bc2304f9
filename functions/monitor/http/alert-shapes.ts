/** What callers send and get about rules, alerts and silences, as schemas. */
import * as z from 'zod'
import { Time } from './log-shapes.ts'

const Name = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and "-"')
const Severity = z.enum(['info', 'warning', 'critical'])
const MAX_EXPRESSION_LENGTH = 2000
const MAX_SUMMARY_LENGTH = 500
const MAX_FOR_SECONDS = 86_400
export const MAX_RULES = 200
export const MAX_SILENCES = 200

export const rulePath = z.strictObject({ name: Name })
export const silencePath = z.strictObject({ id: Name })
export const changeHeaders = z.object({ 'if-match': z.string().max(1000).optional().describe('Only if it still has this tag, else 412') })
export const RuleBody = z.strictObject({
  expr: z.string().min(1).max(MAX_EXPRESSION_LENGTH).describe('Each series that it gives is an alert'),
  for_seconds: z.number().min(0).max(MAX_FOR_SECONDS).default(0).describe('How long it must be so'),
  severity: Severity.default('warning'),
  summary: z.string().min(1).max(MAX_SUMMARY_LENGTH).describe('{label} stands for the label, {value} for the number'),
  enabled: z.boolean().default(true),
})
export const RuleAnswer = z.object({
  name: z.string(), expr: z.string(), for_seconds: z.number(), severity: Severity, summary: z.string(), enabled: z.boolean(),
  shipped: z.boolean(), changed: z.boolean().describe('A shipped one that is not as it came'), etag: z.string(),
})
export const RuleList = z.object({ items: z.array(RuleAnswer) })

const Labels = z.record(z.string(), z.string())
export const AlertList = z.object({
  items: z.array(z.object({
    rule: z.string(), state: z.enum(['pending', 'firing', 'resolved']), labels: Labels, value: z.number(), since: z.string(), silenced: z.boolean(), summary: z.string(),
  })),
})

export const SilenceBody = z.strictObject({
  match: z.record(z.string().min(1).max(100), z.string().max(200))
    .describe('Labels of the alerts, and `rule`; a `*` at the end of a value stands for anything'),
  until: Time,
  comment: z.string().max(500).default(''),
})
export const SilenceAnswer = z.object({ id: z.string(), match: Labels, until: z.string(), comment: z.string() })
export const SilenceList = z.object({ items: z.array(SilenceAnswer) })

/** What callers send and get about logs, as schemas. */
import * as z from 'zod'
import { LEVELS } from '../logs/line.ts'
import type { LogFilter } from '../logs/log-filter.ts'

export const MAX_LIMIT = 1000
export const MAX_CALL_LINES = 5000
/** All of it together is a line of a request, which has its own limit. */
const MAX_WORD_LENGTH = 128
const MAX_TEXT_LENGTH = 200
const MAX_FUNCTIONS = 10
const MAX_FIELDS = 3

export const Time = z.iso.datetime({ offset: true })
const Word = z.string().min(1).max(MAX_WORD_LENGTH)
const LineId = z.string().regex(/^\d{1,12}-\d{1,9}$/, 'must be the id of a line')
/** Of functions those that Kubernetes takes; who pushes lines has other ideas. */
const FunctionName = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 visible ASCII characters')
const Level = z.enum(['debug', 'info', 'warn', 'error'])

const filters = {
  function: z.array(FunctionName).max(MAX_FUNCTIONS).optional().describe('NAME or NAME.NAMESPACE; one of them'),
  level: Level.optional().describe('This or worse; lines that say none only match without it'),
  call: Word.optional().describe('The id of a call'),
  text: z.string().min(1).max(MAX_TEXT_LENGTH).optional().describe('Is part of the line, as it was written'),
  field: z.array(z.string().min(1).max(MAX_WORD_LENGTH).regex(/^[^:]+:/, 'must be NAME:VALUE')).max(MAX_FIELDS).optional()
    .describe('NAME:VALUE of a line that is JSON, a.b for what is inside; all of them'),
}

export const logQuery = z.strictObject({
  ...filters,
  since: Time.optional(), until: Time.optional().describe('Not itself'),
  order: z.enum(['asc', 'desc']).default('desc'),
  limit: z.int().min(1).max(MAX_LIMIT).default(100),
  cursor: z.string().max(MAX_WORD_LENGTH).optional(),
})
export const tailQuery = z.strictObject({ ...filters, after: LineId.optional().describe('The `id` of the last line that was seen') })
export const tailHeaders = z.object({
  accept: z.string().max(MAX_WORD_LENGTH).optional().describe('`text/event-stream` for server-sent events'),
  'last-event-id': LineId.optional().describe('As `after`'),
})
export const callPath = z.strictObject({ id: Word })

/** What a tail's id says; also the cursor of a list, with the time of the line. */
export const Place = z.tuple([z.number(), z.int(), z.int()])

const LineShape = z.object({
  id: z.string(), time: z.string(), function: z.string(), namespace: z.string(), instance: z.string(),
  level: z.enum(LEVELS), text: z.string().describe('As it was written'), call_id: z.string().optional(),
  fields: z.record(z.string(), z.unknown()).optional().describe('Of a line that is a JSON object'),
})
export const Lines = z.object({ items: z.array(LineShape), next_cursor: z.string().optional() })
export const CallLines = z.object({
  call_id: z.string(), functions: z.array(z.string()), started: z.string().optional(), ended: z.string().optional(),
  items: z.array(LineShape).describe('The oldest first'), truncated: z.boolean().describe(`There are more than ${MAX_CALL_LINES}`),
})

type Filters = z.output<typeof logQuery> | z.output<typeof tailQuery>

export function filterOf(query: Filters, sinceMs = -Infinity, untilMs = Infinity): LogFilter {
  return {
    functions: query.function ?? [], minLevel: query.level === undefined ? 0 : LEVELS.indexOf(query.level),
    call: query.call, text: query.text, sinceMs, untilMs,
    fields: (query.field ?? []).map((one) => {
      const colon = one.indexOf(':')
      return [one.slice(0, colon), one.slice(colon + 1)]
    }),
  }
}

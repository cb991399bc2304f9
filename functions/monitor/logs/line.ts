/** A line of a log, and what is read out of its text. Pure. */

/** By how bad it is; 0: the line does not say. */
export const LEVELS = ['unknown', 'debug', 'info', 'warn', 'error'] as const

export type Line = {
  readonly timeMs: number
  readonly functionName: string
  readonly namespace: string
  /** The replica that wrote it; of pushed lines who pushed them. */
  readonly instance: string
  /** Index of `LEVELS`. */
  readonly level: number
  readonly text: string
  /** Of the lines of its replica in this millisecond, which one: 1, 2, …; 0 for pushed lines. */
  readonly nth: number
}

/** Where a line lies: the number of its tail, and its place there. Never changes. */
export type Position = readonly [number: number, index: number]

export type FoundLine = { readonly line: Line; readonly position: Position }

/** Whose fields name a call, the runtime's own first. */
const CALL_FIELDS = ['callId', 'call_id', 'trace_id', 'traceId'] as const
const levelWords: Readonly<Record<string, number>> = {
  trace: 1, debug: 1, info: 2, information: 2, notice: 2, log: 2, warn: 3, warning: 3, error: 4, err: 4, fatal: 4, critical: 4, panic: 4,
}

/** The fields of a line that is a JSON object. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  if (text.charCodeAt(0) !== 0x7b) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function levelOf(fields: Readonly<Record<string, unknown>> | undefined): number {
  const word = fields?.['level'] ?? fields?.['severity']
  return typeof word === 'string' ? levelWords[word.toLowerCase()] ?? 0 : 0
}

export function callIdOf(fields: Readonly<Record<string, unknown>> | undefined): string | undefined {
  if (fields === undefined) return undefined
  for (const name of CALL_FIELDS) {
    const value = fields[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return undefined
}

export function comparePositions(one: Position, other: Position): number {
  return one[0] - other[0] || one[1] - other[1]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

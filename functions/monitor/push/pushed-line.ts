/** Lines that others send, whatever their form. Pure. */
import { fieldsOf, levelOf, type Line } from '../logs/line.ts'

export type PushedLine = {
  readonly timeMs: number
  readonly functionName: string
  readonly instance: string
  readonly text: string
}

/** Where pushed lines are, beside the namespaces of functions. */
export const PUSHED_NAMESPACE = 'pushed'
const MAX_NAME_LENGTH = 128
/** As those of functions. */
const MAX_TEXT_LENGTH = 64 * 1024

export function lineOf({ timeMs, functionName, instance, text }: PushedLine): Line {
  const cut = text.slice(0, MAX_TEXT_LENGTH)
  return {
    timeMs: Math.trunc(timeMs), functionName: (functionName || 'unnamed').slice(0, MAX_NAME_LENGTH), namespace: PUSHED_NAMESPACE, instance: instance.slice(0, MAX_NAME_LENGTH),
    level: levelOf(fieldsOf(cut)), text: cut, nth: 0,
  }
}

/** A text with what was sent beside it; one that is a JSON object, or has nothing beside it, stays as it is. */
export function withFields(message: string, fields: Readonly<Record<string, unknown>>): string {
  if (Object.keys(fields).length === 0 || fieldsOf(message) !== undefined) return message
  return JSON.stringify({ ...fields, message })
}

/** A board without a clock of its own may be a little ahead. */
const AHEAD_MS = 3_600_000

/** `undefined`: it may be kept. */
export function troubleWithTime(timeMs: number, nowMs: number, retentionMs: number): string | undefined {
  if (!Number.isFinite(timeMs)) return 'has a time that is none'
  if (timeMs > nowMs + AHEAD_MS) return 'has a time in the future'
  if (timeMs < Math.max(0, nowMs - retentionMs)) return 'is older than lines are kept'
  return undefined
}

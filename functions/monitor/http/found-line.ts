/** A line as callers see it. Pure. */
import { callIdOf, fieldsOf, type FoundLine, LEVELS } from '../logs/line.ts'

/** Of lists and objects in each other: writing JSON takes stack for each, and some who read it take no more than a few dozen. */
const MAX_DEPTH = 20

export type SeenLine = Readonly<Record<string, unknown>> & { readonly id: string }

export function seen({ line, position: [number, index] }: FoundLine): SeenLine {
  const fields = fieldsOf(line.text)
  const callId = callIdOf(fields)
  return {
    id: `${number}-${index}`, time: new Date(line.timeMs).toISOString(),
    function: line.functionName, namespace: line.namespace, instance: line.instance, level: LEVELS[line.level] ?? 'unknown',
    ...(callId !== undefined && { call_id: callId }), text: line.text, ...(fields !== undefined && isWithin(fields, MAX_DEPTH) && { fields }),
  }
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((one) => isWithin(one, depth - 1))
}

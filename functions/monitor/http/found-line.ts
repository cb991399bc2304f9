/** A line as callers see it. Pure. */
import { callIdOf, fieldsOf, type FoundLine, LEVELS } from '../logs/line.ts'

export type SeenLine = Readonly<Record<string, unknown>> & { readonly id: string }

export function seen({ line, position: [number, index] }: FoundLine): SeenLine {
  const fields = fieldsOf(line.text)
  const callId = callIdOf(fields)
  return {
    id: `${number}-${index}`, time: new Date(line.timeMs).toISOString(),
    function: line.functionName, namespace: line.namespace, instance: line.instance, level: LEVELS[line.level] ?? 'unknown',
    ...(callId !== undefined && { call_id: callId }), text: line.text, ...(fields !== undefined && { fields }),
  }
}

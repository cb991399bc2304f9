/** What the platform says about functions and their logs, checked. Pure. */
import { fieldsOf, levelOf, type Line } from '../logs/line.ts'

export type FunctionName = { readonly name: string; readonly namespace: string }

/** Longer texts are cut: one line must not fill a block. */
export const MAX_TEXT_LENGTH = 64 * 1024

export function functionsIn(value: unknown): readonly FunctionName[] {
  return listOf(value).flatMap((one) => {
    const { name, namespace } = recordOf(one)
    return typeof name === 'string' && typeof namespace === 'string' ? [{ name, namespace }] : []
  })
}

export function namespacesIn(value: unknown): readonly string[] {
  return listOf(value).filter((one) => typeof one === 'string')
}

/** `nth` is still to be counted. `undefined` for what is no line. */
export function lineIn(json: string): Line | undefined {
  const fields = fieldsOf(json)
  if (fields === undefined) return undefined
  const { name, namespace, instance, timestamp, text } = fields
  const timeMs = typeof timestamp === 'string' ? Date.parse(timestamp) : NaN
  if (typeof name !== 'string' || typeof namespace !== 'string' || typeof text !== 'string' || Number.isNaN(timeMs) || timeMs < 0) return undefined
  const cut = text.slice(0, MAX_TEXT_LENGTH).trimEnd()
  return { timeMs, functionName: name, namespace, instance: typeof instance === 'string' ? instance : '', level: levelOf(fieldsOf(cut)), text: cut, nth: 0 }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

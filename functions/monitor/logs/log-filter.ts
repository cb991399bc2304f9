/** Which lines somebody asks for. Pure. */
import { callIdOf, fieldsOf, type Line } from './line.ts'

export type LogFilter = {
  /** `NAME` or `NAME.NAMESPACE`; empty: all. */
  readonly functions: readonly string[]
  /** This or worse; 0: every one. */
  readonly minLevel: number
  readonly call: string | undefined
  readonly text: string | undefined
  /** Name (dots go inside) and value of fields of a JSON line; all of them. */
  readonly fields: readonly (readonly [string, string])[]
  readonly sinceMs: number
  /** Not itself. */
  readonly untilMs: number
}

export function isOfFunction({ functions }: Pick<LogFilter, 'functions'>, functionName: string, namespace: string): boolean {
  return functions.length === 0 || functions.includes(functionName) || functions.includes(`${functionName}.${namespace}`)
}

export function matches(filter: LogFilter, line: Line): boolean {
  const { minLevel, call, text, fields, sinceMs, untilMs } = filter
  if (line.timeMs < sinceMs || line.timeMs >= untilMs || line.level < minLevel) return false
  if (!isOfFunction(filter, line.functionName, line.namespace)) return false
  if (text !== undefined && !line.text.includes(text)) return false
  if (call === undefined && fields.length === 0) return true
  if (call !== undefined && isPlain(call) && !line.text.includes(call)) return false
  const own = fieldsOf(line.text)
  if (own === undefined || (call !== undefined && callIdOf(own) !== call)) return false
  return fields.every(([name, value]) => valueAt(own, name) === value)
}

/** JSON writes it as it is: who looks for it may look in the text. */
export function isPlain(value: string): boolean {
  return /^[A-Za-z0-9_.:-]+$/.test(value)
}

/** As text; `undefined` where there is none, or something with parts. */
function valueAt(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  let value: unknown = fields
  for (const step of Object.hasOwn(fields, name) ? [name] : name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = Object.entries(value).find(([key]) => key === step)?.[1]
  }
  return typeof value === 'object' && value !== null ? undefined : String(value)
}

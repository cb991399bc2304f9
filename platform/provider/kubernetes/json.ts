/** Reads objects of the Kubernetes API, which are outside data: what is missing or of another kind is absent. */

export type Json = Readonly<Record<string, unknown>>

const nothing: Json = Object.freeze({})

/** The object at a path of field names; empty when there is none. */
export function objectAt(value: unknown, ...path: readonly string[]): Json {
  let here: unknown = value
  for (const name of path) here = isObject(here) ? here[name] : undefined
  return isObject(here) ? here : nothing
}

export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = leafOf(value, path)
  return Array.isArray(found) ? found : []
}

export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = leafOf(value, path)
  return typeof found === 'string' ? found : undefined
}

export function numberAt(value: unknown, ...path: readonly string[]): number | undefined {
  const found = leafOf(value, path)
  return typeof found === 'number' ? found : undefined
}

/** A map of texts: labels, annotations, data. */
export function textsAt(value: unknown, ...path: readonly string[]): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const [key, text] of Object.entries(objectAt(value, ...path))) if (typeof text === 'string') texts[key] = text
  return texts
}

/** Milliseconds since 1970 of a time the API wrote. */
export function timeAt(value: unknown, ...path: readonly string[]): number | undefined {
  const ms = Date.parse(textAt(value, ...path) ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function leafOf(value: unknown, path: readonly string[]): unknown {
  return objectAt(value, ...path.slice(0, -1))[path.at(-1) ?? '']
}

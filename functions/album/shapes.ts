/** Looks into JSON of others, which may be anything. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Empty where there is none. */
export function textIn(value: unknown, name: string): string {
  const found = isRecord(value) ? value[name] : undefined
  return typeof found === 'string' ? found : ''
}

/** Those of a page of a list. */
export function itemsOf(page: unknown): readonly unknown[] {
  const items = isRecord(page) ? page['items'] : undefined
  return Array.isArray(items) ? items : []
}

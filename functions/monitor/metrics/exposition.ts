/** Prometheus' text format, both ways. Pure. */
import { keyOf, labelsInBraces, type Labels, nameIn, type Sample } from './series.ts'

export type Parsed = { readonly samples: readonly Sample[]; readonly types: ReadonlyMap<string, string> }

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$/

/** Lines that are none are left out. `more` are labels of where it came from; what the text says itself comes first. */
export function parseExposition(text: string, more: Labels): Parsed {
  const samples: Sample[] = []
  const types = new Map<string, string>()
  for (const raw of text.split('\n')) {
    const line = raw.trimEnd()
    if (line.startsWith('#')) {
      const [, name, type] = /^# TYPE (\S+) (\w+)$/.exec(line) ?? []
      if (name !== undefined && type !== undefined) types.set(name, type)
      continue
    }
    const [, name, braces, number] = LINE.exec(line) ?? []
    if (name === undefined || number === undefined) continue
    const value = valueOf(number)
    if (value !== undefined) samples.push({ key: keyOf(name, { ...more, ...labelsInBraces(braces ?? '') }), value })
  }
  return { samples, types }
}

export function writeExposition(samples: Iterable<Sample>, types: ReadonlyMap<string, string>): string {
  const families = Map.groupBy(samples, ({ key }) => familyOf(nameIn(key), types))
  return [...families].sort(([one], [other]) => one < other ? -1 : 1).flatMap(([name, list]) => [
    `# TYPE ${name} ${types.get(name) ?? 'untyped'}`, ...list.map(({ key, value }) => `${key} ${textOf(value)}`),
  ]).map((line) => `${line}\n`).join('')
}

/** The buckets, the sum and the count of a histogram are of one family. */
function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  if (types.has(name)) return name
  const base = name.replace(/_(?:bucket|sum|count)$/, '')
  const type = types.get(base)
  return type === 'histogram' || type === 'summary' ? base : name
}

export function textOf(value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}

function valueOf(text: string): number | undefined {
  if (text === '+Inf' || text === 'Inf') return Infinity
  if (text === '-Inf') return -Infinity
  const value = Number(text)
  // NaN says that there is no value.
  return Number.isNaN(value) ? undefined : value
}

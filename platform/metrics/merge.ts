/** Several texts of metrics as one: each sample gets the labels of the text it came from, and each metric stands once. Pure. */

export type LabelledText = { readonly labels: Readonly<Record<string, string>>; readonly text: string }

export function mergeExpositions(texts: readonly LabelledText[]): string {
  const families = new Map<string, { type: string; readonly lines: string[] }>()
  for (const { labels, text } of texts) {
    const more = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&')}"`).join(',')
    let family: { readonly lines: string[] } | undefined
    for (const line of text.split('\n')) {
      const [, typed, type] = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) ([a-z]+)$/.exec(line) ?? []
      if (typed !== undefined && type !== undefined) {
        const known = families.get(typed) ?? { type, lines: [] }
        families.set(typed, known)
        family = known
        continue
      }
      const [, name, own, rest] = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+.0-9eE]+|[-+]?Inf|NaN)$/.exec(line) ?? []
      if (name === undefined || line.startsWith('#')) continue
      family ??= openFamily(families, name)
      family.lines.push(`${name}{${own ? `${own},` : ''}${more}} ${rest}`)
    }
  }
  return [...families].flatMap(([name, { type, lines }]) => lines.length === 0 ? [] : [`# TYPE ${name} ${type}`, ...lines]).map((line) => `${line}\n`).join('')
}

/** For samples that nobody has said the type of. */
function openFamily(families: Map<string, { type: string; readonly lines: string[] }>, name: string): { readonly lines: string[] } {
  const family = families.get(name) ?? { type: 'untyped', lines: [] }
  families.set(name, family)
  return family
}

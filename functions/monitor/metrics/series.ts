/** A series: the name of a metric with its labels, as one text that is the same for the same series. Pure. */

export type Labels = Readonly<Record<string, string>>
export type Sample = { readonly key: string; readonly value: number }

export const NAME_LABEL = '__name__'

/** `name{a="1",b="2"}`, labels sorted, empty ones left out. */
export function keyOf(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).filter(([label, value]) => label !== NAME_LABEL && value !== '').sort(([one], [other]) => one < other ? -1 : 1)
  return pairs.length === 0 ? name : `${name}{${pairs.map(([label, value]) => `${label}="${escaped(value)}"`).join(',')}}`
}

export function nameIn(key: string): string {
  const brace = key.indexOf('{')
  return brace < 0 ? key : key.slice(0, brace)
}

/** With the name under `__name__`. */
export function labelsIn(key: string): Labels {
  const name = nameIn(key)
  return { [NAME_LABEL]: name, ...labelsInBraces(key.slice(name.length + 1, -1)) }
}

/** `a="1",b="2"`. A name begins where none has begun: looking again from each of its letters takes for ever. */
export function labelsInBraces(text: string): Labels {
  const labels: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(/(?<![a-zA-Z0-9_])([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\]*(?:\\.[^"\\]*)*)"/gs)) labels[name] = value.includes('\\') ? unescaped(value) : value
  return labels
}

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n') : value
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/gs, (_, one: string) => one === 'n' ? '\n' : one)
}

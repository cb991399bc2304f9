/** `{code=~"5.*",function_name!="a"}`. Pure. */
import { type Labels, labelsIn, nameIn } from './series.ts'

export type Matcher = { readonly label: string; readonly isMatch: (value: string) => boolean }

const MATCHER = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*(=~|!~|!=|=)[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)/y

/** Throws a sentence for what it does not understand. */
export function parseMatchers(text: string): readonly Matcher[] {
  const matchers: Matcher[] = []
  const trimmed = text.trim()
  for (let at = 0; at < trimmed.length; at = MATCHER.lastIndex) {
    MATCHER.lastIndex = at
    const [, label, operator, quoted] = MATCHER.exec(trimmed) ?? []
    if (label === undefined || quoted === undefined) throw new Error(`nothing can be made of the labels "${trimmed.slice(at, at + 40)}"`)
    const value = quoted.replace(/\\(["\\])/g, '$1')
    const isSame = operator === '=' || operator === '!=' ? (one: string): boolean => one === value : patternOf(value)
    matchers.push({ label, isMatch: operator?.startsWith('!') ? (one) => !isSame(one) : isSame })
  }
  return matchers
}

/**
 * Of regular expressions alternatives, `.*`, `.+` and `.`: in what callers send anything more could be written so that it takes for
 * ever. Throws a sentence for the rest.
 */
function patternOf(pattern: string): (value: string) => boolean {
  const bare = /^\(([^()]*)\)$/.exec(pattern)?.[1] ?? pattern
  if (/[()[\]{}^$?]|[^.]\*|[^.]\+|^[*+]/.test(bare.replace(/\\./g, ''))) {
    throw new Error(`the pattern "${pattern}" has more than alternatives (a|b), .* and .+, which is all that is understood`)
  }
  const alternatives = bare.split('|').map(partsOf)
  return (value) => alternatives.some((parts) => isLike(value, parts))
}

/** `undefined` stands for anything, a number for so many characters. */
type Part = string | number | undefined

function partsOf(alternative: string): readonly Part[] {
  return (alternative.match(/\.\*|\.\+|\.|\\.|[^.\\]+/g) ?? []).flatMap((part): readonly Part[] =>
    part === '.*' ? [undefined] : part === '.+' ? [1, undefined] : part === '.' ? [1] : [part.startsWith('\\') ? part.slice(1) : part])
}

/** All places the parts so far may end at, one part after the other: its time is their number times the length. */
function isLike(value: string, parts: readonly Part[]): boolean {
  let ends = new Set([0])
  for (const part of parts) {
    const next = new Set<number>()
    for (const end of ends) {
      if (part === undefined) for (let i = end; i <= value.length; i++) next.add(i)
      else if (typeof part === 'number') {
        if (end + part <= value.length) next.add(end + part)
      } else if (value.startsWith(part, end)) next.add(end + part.length)
      if (part === undefined) break
    }
    ends = next
  }
  return ends.has(value.length)
}

/** Whether a series is wanted; each is looked at once. */
export function createKeyFilter(name: string | undefined, matchers: readonly Matcher[]): (key: string) => boolean {
  return (key) => {
    if (name !== undefined && nameIn(key) !== name) return false
    if (matchers.length === 0) return true
    const labels: Labels = labelsIn(key)
    return matchers.every(({ label, isMatch }) => isMatch(labels[label] ?? ''))
  }
}

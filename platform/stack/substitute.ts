/**
 * `${VAR}` and `${VAR:-default}` in the text of a stack file, before YAML sees it, with the rules of `faas-cli`: an
 * unset variable is empty, a default also replaces an empty one and may hold further `${…}`, `$${` is a literal `${`,
 * and `$VAR` without braces is left alone.
 */
import { BrambleError } from '../lib/errors.ts'

export type Variables = Readonly<Record<string, string | undefined>>

export type Substituted = {
  readonly text: string
  /** Where in the original text the character at this place of `text` came from. */
  originOf(offset: number): number
}

/** The error carries the place in `offset`, for the caller who knows lines. */
export class SubstitutionError extends BrambleError {
  readonly offset: number

  constructor(offset: number, message: string) {
    super('INVALID', message)
    this.name = 'SubstitutionError'
    this.offset = offset
  }
}

const expression = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:=|-|=)([\s\S]*))?$/
const ADVICE = 'write ${NAME} or ${NAME:-default}, or $${ for a literal ${'

export function substitute(source: string, variables: Variables): Substituted {
  /** Starts of stretches: in the result, and where they came from; `isCopied` stretches advance together. */
  const stretches: { at: number; from: number; isCopied: boolean }[] = []
  let text = ''
  const add = (piece: string, from: number, isCopied: boolean): void => {
    stretches.push({ at: text.length, from, isCopied })
    text += piece
  }

  let rest = 0
  for (let at = source.indexOf('${'); at >= 0; at = source.indexOf('${', rest)) {
    if (at > rest && source[at - 1] === '$') {
      add(source.slice(rest, at - 1), rest, true)
      add('${', at, true)
      rest = at + 2
      continue
    }
    add(source.slice(rest, at), rest, true)
    const end = closingBrace(source, at)
    add(evaluate(source.slice(at + 2, end), at, variables), at, false)
    rest = end + 1
  }
  add(source.slice(rest), rest, true)

  return {
    text,
    originOf(offset) {
      const stretch = stretches.findLast(({ at }) => at <= offset)
      if (!stretch) return offset
      return stretch.isCopied ? stretch.from + offset - stretch.at : stretch.from
    },
  }
}

function evaluate(inner: string, at: number, variables: Variables): string {
  const match = expression.exec(inner)
  if (!match) throw new SubstitutionError(at, `\${${inner.split('\n', 1)[0]}} is not understood: ${ADVICE}`)
  const value = variables[match[1] ?? '']
  if (value) return value
  return match[3] === undefined ? '' : substitute(match[3], variables).text
}

function closingBrace(source: string, open: number): number {
  let depth = 0
  for (let at = open; at < source.length; at++) {
    if (source.startsWith('${', at)) { depth++; at++ }
    else if (source[at] === '}' && --depth === 0) return at
    else if (source[at] === '\n') break
  }
  throw new SubstitutionError(open, `"\${" is not closed on its line: ${ADVICE}`)
}

/**
 * Reads a TypeScript or JavaScript source without running it: its imports, and its code with comments and texts
 * blanked, so that a rule never trips over a comment or over a source that a test keeps in a string.
 */

export type Import = {
  readonly specifier: string
  readonly line: number
}

export type Scan = {
  readonly imports: readonly Import[]
  /** Lines of `import(x)` and `require(x)` where x is not a plain text. */
  readonly computedImportLines: readonly number[]
  /** The source with the same lines, each text replaced by `'N'` (its number), comments and regular expressions gone. */
  readonly code: string
}

/** After one of these a slash begins a regular expression; after anything else it divides. */
const beforeRegex = /(?:^|[-+*%=<>&|^!~?:;,({[\n]|\b(?:return|typeof|case|in|of|do|else|void|await|yield))\s*$/

const importForms = [
  /(?<![.\w$])(?:import|export)\b[\w\s{},*$]*?\bfrom\s*'(\d+)'/g,
  /(?<![.\w$])import\s*'(\d+)'/g,
  /(?<![.\w$])import\s*\(\s*'(\d+)'/g,
  /(?<![.\w$])require(?:\.resolve)?\s*\(\s*'(\d+)'/g,
  /\bimport\.meta\.resolve\s*\(\s*'(\d+)'/g,
]
const computedForm = /(?<![.\w$])(?:import|require)\s*\(\s*(?!')/g

export function scanSource(source: string): Scan {
  const { code, texts } = mask(source)
  const imports = importForms
    .flatMap((form) => [...code.matchAll(form)])
    .map((match) => ({ specifier: texts[Number(match[1])] ?? '', line: lineAt(code, match.index) }))
  const computedImportLines = [...code.matchAll(computedForm)].map((match) => lineAt(code, match.index))
  return { imports, computedImportLines, code }
}

/** The line, counted from 1, of a position in the text. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

function mask(source: string): { code: string; texts: string[] } {
  const texts: string[] = []
  let code = ''
  let at = 0
  /** One entry for each open `${`: how many braces are open inside it. */
  const templateDepths: number[] = []

  const blank = (end: number): void => {
    code += source.slice(at, end).replace(/[^\n]+/g, ' ')
    at = end
  }
  const text = (quote: string): void => {
    let end = at + 1
    while (end < source.length && source[end] !== quote && source[end] !== '\n') end += source[end] === '\\' ? 2 : 1
    code += `'${texts.push(source.slice(at + 1, end)) - 1}'`
    at = end + 1
  }
  /** From a backtick, or from the brace that ends a `${}`, to the next `${` or the closing backtick. */
  const template = (): void => {
    const begin = at
    let end = at + 1
    while (end < source.length && source[end] !== '`' && !source.startsWith('${', end)) end += source[end] === '\\' ? 2 : 1
    if (source[begin] === '`' && source[end] === '`') {
      const lines = source.slice(begin, end).replace(/[^\n]+/g, '')
      code += `'${texts.push(source.slice(begin + 1, end)) - 1}'${lines}`
    } else {
      const lines = source.slice(begin, end).replace(/[^\n]+/g, '')
      code += (source[begin] === '`' ? '(' : ')') + lines + (source[end] === '`' ? '' : '(')
    }
    if (source.startsWith('${', end)) templateDepths.push(0)
    at = end + (source[end] === '`' ? 1 : 2)
  }
  const regex = (): void => {
    let isClass = false
    let end = at + 1
    for (; end < source.length && source[end] !== '\n' && (isClass || source[end] !== '/'); end++) {
      if (source[end] === '\\') end++
      else if (source[end] === '[') isClass = true
      else if (source[end] === ']') isClass = false
    }
    code += 'RegExp '
    at = end + 1
  }

  while (at < source.length) {
    const char = source[at] ?? ''
    if (source.startsWith('//', at)) blank(endOf(source, '\n', at))
    else if (source.startsWith('/*', at)) blank(endOf(source, '*/', at + 2) + 2)
    else if (char === "'" || char === '"') text(char)
    else if (char === '`') template()
    else if (char === '}' && templateDepths.at(-1) === 0) { templateDepths.pop(); template() }
    else if (char === '/' && beforeRegex.test(code.slice(-40))) regex()
    else {
      const open = templateDepths.length - 1
      if (open >= 0 && char === '{') templateDepths[open] = (templateDepths[open] ?? 0) + 1
      if (open >= 0 && char === '}') templateDepths[open] = (templateDepths[open] ?? 0) - 1
      code += char
      at++
    }
  }
  return { code, texts }
}

function endOf(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from)
  return end < 0 ? source.length : end
}

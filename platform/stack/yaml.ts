/** YAML whose every value knows its place, so that an error reads `FILE:LINE:COLUMN: what is wrong`. */
import { isAlias, isCollection, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document } from 'yaml'
import { BrambleError } from '../lib/errors.ts'
import { substitute, SubstitutionError, type Variables } from './substitute.ts'

export type YamlSource = {
  /** As errors show it. */
  readonly file: string
  readonly text: string
  /** What `${VAR}` stands for; absent switches substitution off. */
  readonly variables?: Variables | undefined
}

/** Keys and list positions from the root to a value. */
export type YamlPath = readonly (string | number)[]

export type YamlFile = {
  /** Maps, lists and texts as they are written (`1.0` stays `1.0`, `yes` stays `yes`); `null` where nothing is. */
  readonly root: unknown
  /** Throws `INVALID` with the place of the value at `path`. */
  fail(path: YamlPath, message: string): never
  /** `FILE:LINE:COLUMN` of the value at `path`, or of its key. */
  placeOf(path: YamlPath, part?: 'key' | 'value'): string
}

export function parseYaml({ file, text, variables }: YamlSource): YamlFile {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1)
  let originOf = (offset: number): number => offset

  const place = (offset: number): string => {
    const { line, col } = lines.linePos(Math.min(originOf(offset), text.length))
    return `${file}:${line}:${col}`
  }
  const failAt = (offset: number, message: string): never => {
    throw new BrambleError('INVALID', `${place(offset)}: ${message}`)
  }

  let yaml = text
  if (variables) {
    try {
      const substituted = substitute(text, variables)
      yaml = substituted.text
      originOf = substituted.originOf
    } catch (error) {
      if (!(error instanceof SubstitutionError)) throw error
      failAt(error.offset, error.message)
    }
  }

  const documents = parseAllDocuments(yaml, {
    // No guessing of types: every scalar stays the text it is, as a field of type string keeps it in faas-cli.
    schema: 'failsafe', customTags: ['null', 'merge'], merge: true, stringKeys: true,
    prettyErrors: false, logLevel: 'error',
  })
  const document = 'empty' in documents ? undefined : documents[0]
  if (!document) return failAt(0, 'the file is empty')
  for (const problem of document.errors.slice(0, 1)) failAt(problem.pos[0], inWords(problem.code, problem.message))
  const second = documents[1]
  if (second) failAt(second.range[0], 'a second YAML document (after "---") is not allowed: use a file of its own')
  visit(document, {
    Alias(_, alias) {
      if (!alias.resolve(document)) failAt(alias.range?.[0] ?? 0, `there is no "&${alias.source}" before "*${alias.source}"`)
    },
  })

  let root: unknown
  try {
    root = document.toJS({ mapAsMap: true })
  } catch (error) {
    // A few lines that stand for more values than anybody means.
    if (error instanceof ReferenceError) failAt(0, 'too many aliases of aliases (*name): write some of them out')
    throw error
  }
  return {
    root,
    fail: (path, message) => failAt(offsetOf(document, path, 'value'), message),
    placeOf: (path, part = 'value') => place(offsetOf(document, path, part)),
  }
}

/** Where a value is; a missing one, or one that came in through a merge, is where its parent is. */
function offsetOf(document: Document.Parsed, path: YamlPath, part: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = document.contents?.range[0] ?? 0
  for (const [depth, step] of path.entries()) {
    const parent = isAlias(node) ? node.resolve(document) : node
    let key: unknown
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === step)
      if (!pair) break
      key = pair.key
      node = pair.value
    } else if (isSeq(parent) && typeof step === 'number') {
      node = parent.items[step]
    } else break
    const isLastKey = part === 'key' && depth === path.length - 1
    // A value on the line of its key is shown itself; a block below it, or nothing, is shown by the key.
    const isOnLine = isAlias(node) || (isScalar(node) ? node.value !== null : isCollection(node) && node.flow === true)
    const shown = (isLastKey || !isOnLine) && isNode(key) ? key : node
    if (isNode(shown) && shown.range) offset = shown.range[0]
  }
  return offset
}

function inWords(code: string, message: string): string {
  switch (code) {
    case 'DUPLICATE_KEY': return 'this key is already there: remove one of the two'
    case 'TAB_AS_INDENT': return 'a tab cannot indent YAML: use spaces'
    default: return message.charAt(0).toLowerCase() + message.slice(1)
  }
}

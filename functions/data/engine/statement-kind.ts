/** What a statement does, by its words alone: SQLite cannot be asked (the build has no authorizer). */

export type StatementKind = 'select' | 'insert' | 'update' | 'delete' | 'schema' | 'explain' | 'empty' | 'refused'

export type StatementWords = { readonly kind: StatementKind; /** The word it is judged by, in capitals. */ readonly word: string }

/**
 * What is not here is refused. BEGIN, COMMIT and their kin would end the transaction that the engine keeps; ATTACH and VACUUM
 * INTO reach other files; PRAGMA would undo the settings that durability stands on (`pragma_table_info('t')` and other table-valued
 * functions read what is harmless).
 */
const kinds: Readonly<Record<string, StatementKind>> = {
  SELECT: 'select', VALUES: 'select', INSERT: 'insert', REPLACE: 'insert', UPDATE: 'update', DELETE: 'delete',
  CREATE: 'schema', DROP: 'schema', ALTER: 'schema', REINDEX: 'schema', ANALYZE: 'schema',
}

/** Nothing to SQLite: white space (a byte order mark too), comments, and semicolons before a statement. */
const nothing = /(?:[\s;]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))*/y
/** Texts, quoted names and comments are stepped over whole; then words, and any other character. */
const token = /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`(?:[^`]|``)*`?|\[[^\]]*\]?|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\w$\u0080-\uffff]+|[^]/y

export function statementKind(sql: string): StatementWords {
  const start = skipNothing(sql)
  const word = wordAt(sql, start)
  if (word === '') return { kind: start === sql.length ? 'empty' : 'refused', word: sql.slice(start, start + 1) }
  if (word === 'EXPLAIN') {
    // What it explains is prepared all the same.
    const rest = sql.slice(start + word.length).replace(/^\s+QUERY\s+PLAN\b/i, '')
    const explained = statementKind(rest)
    return explained.kind === 'refused' || explained.kind === 'empty' ? { kind: 'refused', word: explained.word || word } : { kind: 'explain', word }
  }
  const deciding = word === 'WITH' ? verbOfWith(sql, start) : word
  return { kind: (Object.hasOwn(kinds, deciding) ? kinds[deciding] : undefined) ?? 'refused', word: deciding }
}

/** Whether nothing follows: space, comments and semicolons do not count. */
export function isNothing(sql: string): boolean {
  return skipNothing(sql) === sql.length
}

function skipNothing(sql: string): number {
  nothing.lastIndex = 0
  nothing.test(sql)
  return nothing.lastIndex
}

function wordAt(sql: string, at: number): string {
  return (/^[A-Za-z]+/.exec(sql.slice(at, at + 20))?.[0] ?? '').toUpperCase()
}

/** `WITH a AS (…), b AS (…) UPDATE …`: the verb is the first one outside all parentheses. */
function verbOfWith(sql: string, start: number): string {
  let depth = 0
  token.lastIndex = start
  for (let match = token.exec(sql); match !== null; match = token.exec(sql)) {
    const text = match[0]
    if (text === '(') depth++
    else if (text === ')') depth--
    else if (depth === 0 && Object.hasOwn(kinds, text.toUpperCase())) return text.toUpperCase()
  }
  return 'WITH'
}

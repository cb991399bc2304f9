/** `/function/NAME[.NS][/rest][?query]` taken apart. Pure. */
import { BrambleError } from '../lib/errors.ts'

export type FunctionPath = {
  /** As it stands in the path: `hello` or `hello.staging`. */
  readonly name: string
  /** What the function sees: always begins with `/`, query kept as it is. */
  readonly rest: string
}

const FUNCTION_PREFIX = '/function/'
const validName = /^[-a-zA-Z_0-9.]*$/
/** A segment that is `.` or `..`, spelt and separated in any way a later reader might decode. */
const dotSegment = /(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?=[/\\]|%2f|%5c|$)/i

/** The target of a request by absolute address (RFC 9112 section 3.2.2) as a path; any other as it is. */
export function originForm(url: string): string {
  const match = /^https?:\/\/[^/?#]*/i.exec(url)
  if (match === null) return url
  const path = url.slice(match[0].length)
  return path.startsWith('/') ? path : `/${path}`
}

/** `undefined` when the path is not a function's; `INVALID` when it is one that no honest client sends. */
export function parseFunctionPath(url: string): FunctionPath | undefined {
  if (!url.startsWith(FUNCTION_PREFIX)) return undefined
  let end = FUNCTION_PREFIX.length
  for (; end < url.length; end++) {
    const c = url.charCodeAt(end)
    if (c === SLASH || c === QUESTION) break
  }
  const name = url.slice(FUNCTION_PREFIX.length, end)
  if (!validName.test(name)) {
    throw new BrambleError('INVALID', 'the function name in the path may only hold letters, digits, "-", "_" and "."')
  }
  if (end === url.length) return { name, rest: '/' }
  if (url.charCodeAt(end) === QUESTION) return { name, rest: `/${url.slice(end)}` }
  const rest = url.slice(end)
  if (mayHoldDotSegment(rest)) checkSegments(rest)
  return { name, rest }
}

const SLASH = 47
const QUESTION = 63

function mayHoldDotSegment(rest: string): boolean {
  return rest.includes('/.') || rest.includes('%2') || rest.includes('%5') || rest.includes('\\')
}

function checkSegments(rest: string): void {
  const question = rest.indexOf('?')
  const path = question < 0 ? rest : rest.slice(0, question)
  if (dotSegment.test(path)) {
    throw new BrambleError('INVALID', 'the path holds a "." or ".." segment; send the path as it is meant')
  }
}

/**
 * The part of PromQL that is understood: selectors with matchers, rate, increase and the *_over_time functions, absent, sum, avg, min, max
 * and count (by), arithmetic, comparisons, and, unless, numbers. Pure.
 */
import { type Matcher, parseMatchers } from './matchers.ts'

export type Selector = { readonly name: string | undefined; readonly matchers: readonly Matcher[] }
export type RangeFunction = 'rate' | 'increase' | 'delta' | 'avg_over_time' | 'max_over_time' | 'min_over_time' | 'sum_over_time' | 'count_over_time' | 'last_over_time'
export type Aggregation = 'sum' | 'avg' | 'min' | 'max' | 'count'
export type Operator = '+' | '-' | '*' | '/' | '>' | '<' | '>=' | '<=' | '==' | '!=' | 'and' | 'unless'

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'selector'; readonly selector: Selector }
  | { readonly kind: 'range'; readonly fn: RangeFunction; readonly selector: Selector; readonly rangeMs: number }
  | { readonly kind: 'absent'; readonly selector: Selector }
  | { readonly kind: 'aggregate'; readonly op: Aggregation; readonly by: readonly string[] | undefined; readonly of: Expression }
  | { readonly kind: 'binary'; readonly op: Operator; readonly left: Expression; readonly right: Expression }

const RANGE_FUNCTIONS: readonly RangeFunction[] = [
  'rate', 'increase', 'delta', 'avg_over_time', 'max_over_time', 'min_over_time', 'sum_over_time', 'count_over_time', 'last_over_time',
]
const AGGREGATIONS: readonly Aggregation[] = ['sum', 'avg', 'min', 'max', 'count']
/** What binds least comes first. */
const LEVELS: readonly (readonly Operator[])[] = [['and', 'unless'], ['==', '!=', '<=', '>=', '<', '>'], ['+', '-'], ['*', '/']]
const TOKEN = /[ \t\r\n]*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![a-zA-Z_\d]))|([a-zA-Z_:][a-zA-Z0-9_:]*)|(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})|(\[[0-9a-z]+\])|(==|!=|<=|>=|[-+*\/<>(),]))/y
const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const MAX_LENGTH = 2000
const MAX_DEPTH = 30

/** Throws a sentence for what it does not understand. */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_LENGTH) throw new Error(`it is longer than ${MAX_LENGTH} characters`)
  const tokens = tokensOf(text)
  let at = 0
  const peek = (): string | undefined => tokens[at]
  const take = (): string => {
    const token = tokens[at++]
    if (token === undefined) throw new Error('it ends too early')
    return token
  }
  const need = (wanted: string): void => {
    const token = take()
    if (token !== wanted) throw new Error(`there is "${token}" where "${wanted}" must be`)
  }

  const binary = (level: number, depth: number): Expression => {
    const operators = LEVELS[level]
    if (operators === undefined) return unary(depth)
    let left = binary(level + 1, depth)
    for (let op = operators.find((one) => one === peek()); op !== undefined; op = operators.find((one) => one === peek())) {
      take()
      left = { kind: 'binary', op, left, right: binary(level + 1, depth) }
    }
    return left
  }
  const unary = (depth: number): Expression => {
    if (depth > MAX_DEPTH) throw new Error('it is nested too deeply')
    const token = take()
    if (token === '-') return { kind: 'binary', op: '-', left: { kind: 'number', value: 0 }, right: unary(depth + 1) }
    if (token === '(') {
      const inner = binary(0, depth + 1)
      need(')')
      return inner
    }
    if (/^\d/.test(token)) return { kind: 'number', value: Number(token) }
    const aggregation = AGGREGATIONS.find((one) => one === token)
    if (aggregation !== undefined && (peek() === '(' || peek() === 'by')) return aggregate(aggregation, depth)
    const fn = RANGE_FUNCTIONS.find((one) => one === token)
    if (fn !== undefined && peek() === '(') return range(fn)
    if (token === 'absent' && peek() === '(') {
      take()
      const selector = selectorFrom(take())
      need(')')
      return { kind: 'absent', selector }
    }
    if (peek() === '(') throw new Error(`there is no function ${token} here; there are ${[...RANGE_FUNCTIONS, 'absent', ...AGGREGATIONS].join(', ')}`)
    return { kind: 'selector', selector: selectorFrom(token) }
  }
  const aggregate = (op: Aggregation, depth: number): Expression => {
    let by = peek() === 'by' ? labelList() : undefined
    need('(')
    const of = binary(0, depth + 1)
    need(')')
    if (by === undefined && peek() === 'by') by = labelList()
    return { kind: 'aggregate', op, by, of }
  }
  const labelList = (): readonly string[] => {
    need('by')
    need('(')
    const labels: string[] = []
    while (peek() !== ')') {
      labels.push(take())
      if (peek() === ',') take()
    }
    take()
    return labels
  }
  const range = (fn: RangeFunction): Expression => {
    need('(')
    const selector = selectorFrom(take())
    const rangeMs = durationIn(take(), fn)
    need(')')
    return { kind: 'range', fn, selector, rangeMs }
  }
  const selectorFrom = (token: string): Selector => {
    if (token.startsWith('{')) return { name: undefined, matchers: parseMatchers(token.slice(1, -1)) }
    if (!/^[a-zA-Z_:]/.test(token)) throw new Error(`there is "${token}" where a metric must be`)
    return { name: token, matchers: peek()?.startsWith('{') ? parseMatchers(take().slice(1, -1)) : [] }
  }

  const expression = binary(0, 0)
  if (at < tokens.length) throw new Error(`nothing can be made of "${tokens.slice(at).join(' ')}"`)
  return expression
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = []
  const trimmed = text.trimEnd()
  TOKEN.lastIndex = 0
  for (let at = 0; at < trimmed.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(trimmed)
    if (match === null) throw new Error(`nothing can be made of "${trimmed.slice(at, at + 20)}"`)
    tokens.push(match.slice(1).find((part) => part !== undefined) ?? '')
  }
  return tokens
}

function durationIn(token: string, fn: string): number {
  const parts = [...token.slice(1, -1).matchAll(/(\d+)(ms|[smhdw])/g)]
  const ms = parts.reduce((sum, [, digits, unit]) => sum + Number(digits) * (unitsMs[unit ?? ''] ?? 0), 0)
  if (!token.startsWith('[') || parts.map(([all]) => all).join('') !== token.slice(1, -1) || ms === 0) throw new Error(`${fn} wants a time like [5m] after its metric`)
  return ms
}

/** All that it selects, and how far before its time it looks. */
export function selectorsOf(expression: Expression): readonly { readonly selector: Selector; readonly rangeMs: number }[] {
  switch (expression.kind) {
    case 'number': return []
    case 'selector':
    case 'absent': return [{ selector: expression.selector, rangeMs: 0 }]
    case 'range': return [expression]
    case 'aggregate': return selectorsOf(expression.of)
    case 'binary': return [...selectorsOf(expression.left), ...selectorsOf(expression.right)]
  }
}

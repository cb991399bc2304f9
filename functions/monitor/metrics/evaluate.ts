/** What an expression is at a moment, out of points. Pure. */
import type { Aggregation, Expression, Operator, RangeFunction, Selector } from './expression.ts'
import type { SeriesPoints } from './metric-store.ts'
import { keyOf, type Labels, labelsIn, NAME_LABEL } from './series.ts'

export type Element = { readonly labels: Labels; readonly value: number }
export type Value = number | readonly Element[]

/** A sample that is older says nothing about now. */
export const LOOKBACK_MS = 60_000

/** `pointsOf` gives the points of a selector, at least those that it needs at this moment. */
export function evaluate(expression: Expression, atMs: number, pointsOf: (selector: Selector) => readonly LabelledPoints[]): Value {
  switch (expression.kind) {
    case 'number': return expression.value
    case 'selector': return now(pointsOf(expression.selector), atMs)
    case 'absent': return now(pointsOf(expression.selector), atMs).length > 0 ? [] : [{ labels: {}, value: 1 }]
    case 'range': return pointsOf(expression.selector).flatMap((series) => {
      const value = over(expression.fn, series, atMs - expression.rangeMs, atMs)
      return value === undefined ? [] : [{ labels: withoutName(series.labels), value }]
    })
    case 'aggregate': return aggregate(expression.op, expression.by, elementsOf(evaluate(expression.of, atMs, pointsOf)))
    case 'binary': return combine(expression.op, evaluate(expression.left, atMs, pointsOf), evaluate(expression.right, atMs, pointsOf))
  }
}

export type LabelledPoints = SeriesPoints & { readonly labels: Labels }

export function labelled(points: SeriesPoints): LabelledPoints {
  return { ...points, labels: labelsIn(points.key) }
}

function now(list: readonly LabelledPoints[], atMs: number): readonly Element[] {
  return list.flatMap(({ labels, times, values }) => {
    const i = lastAt(times, atMs)
    const timeMs = times[i]
    return timeMs === undefined || atMs - timeMs > LOOKBACK_MS ? [] : [{ labels, value: values[i] ?? NaN }]
  })
}

function over(fn: RangeFunction, { times, values }: SeriesPoints, fromMs: number, toMs: number): number | undefined {
  const end = lastAt(times, toMs)
  const begin = lastAt(times, fromMs - 1) + 1
  const taken = values.slice(begin, end + 1)
  if (taken.length === 0) return undefined
  const sum = taken.reduce((total, value) => total + value, 0)
  switch (fn) {
    case 'avg_over_time': return sum / taken.length
    case 'sum_over_time': return sum
    case 'count_over_time': return taken.length
    case 'max_over_time': return largest(taken)
    case 'min_over_time': return smallest(taken)
    case 'last_over_time': return taken.at(-1)
    case 'delta': return taken.length < 2 ? undefined : (taken.at(-1) ?? 0) - (taken[0] ?? 0)
    case 'increase': return taken.length < 2 ? undefined : increaseOf(taken)
    case 'rate': {
      const seconds = ((times[end] ?? 0) - (times[begin] ?? 0)) / 1000
      return taken.length < 2 || seconds <= 0 ? undefined : increaseOf(taken) / seconds
    }
  }
}

/** `Math.max(...values)` takes as many as fit on the stack. */
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity)
}

function smallest(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity)
}

/** A counter that is lower than before has begun anew. */
function increaseOf(values: readonly number[]): number {
  let increase = 0
  for (let i = 1; i < values.length; i++) {
    const [before, value] = [values[i - 1] ?? 0, values[i] ?? 0]
    increase += value < before ? value : value - before
  }
  return increase
}

function aggregate(op: Aggregation, by: readonly string[] | undefined, elements: readonly Element[]): readonly Element[] {
  const groups = Map.groupBy(elements, ({ labels }) => keyOf('', chosen(labels, by ?? [])))
  return Array.from(groups.values(), (group) => {
    const values = group.map(({ value }) => value)
    const sum = values.reduce((total, value) => total + value, 0)
    const value = { sum, avg: sum / values.length, min: smallest(values), max: largest(values), count: values.length }[op]
    return { labels: chosen(group[0]?.labels ?? {}, by ?? []), value }
  })
}

function combine(op: Operator, left: Value, right: Value): Value {
  if (typeof left === 'number' && typeof right === 'number') return isComparison(op) ? Number(compare(op, left, right)) : compute(op, left, right)
  if (op === 'and' || op === 'unless') {
    const others = new Set(elementsOf(right).map(matchKey))
    return elementsOf(left).filter((one) => others.has(matchKey(one)) === (op === 'and'))
  }
  const pairs: readonly (readonly [Element, number, number])[] = typeof right === 'number' ? elementsOf(left).map((one) => [one, one.value, right])
    : typeof left === 'number' ? right.map((one) => [one, left, one.value]) : matched(left, right)
  // A comparison keeps what is so; anything else makes new values, which are no longer that metric.
  if (isComparison(op)) return pairs.flatMap(([one, a, b]) => compare(op, a, b) ? [one] : [])
  return pairs.map(([one, a, b]) => ({ labels: withoutName(one.labels), value: compute(op, a, b) })).filter(({ value }) => !Number.isNaN(value))
}

function matched(left: readonly Element[], right: readonly Element[]): readonly (readonly [Element, number, number])[] {
  const others = new Map(right.map((one) => [matchKey(one), one.value]))
  return left.flatMap((one) => {
    const other = others.get(matchKey(one))
    return other === undefined ? [] : [[one, one.value, other] as const]
  })
}

function isComparison(op: Operator): boolean {
  return /[<>=]/.test(op)
}

function compare(op: Operator, left: number, right: number): boolean {
  switch (op) {
    case '>': return left > right
    case '<': return left < right
    case '>=': return left >= right
    case '<=': return left <= right
    case '==': return left === right
    default: return left !== right
  }
}

function compute(op: Operator, left: number, right: number): number {
  return op === '+' ? left + right : op === '-' ? left - right : op === '*' ? left * right : left / right
}

function elementsOf(value: Value): readonly Element[] {
  return typeof value === 'number' ? [{ labels: {}, value }] : value
}

function matchKey({ labels }: Element): string {
  return keyOf('', labels)
}

function withoutName(labels: Labels): Labels {
  const { [NAME_LABEL]: _, ...rest } = labels
  return rest
}

function chosen(labels: Labels, by: readonly string[]): Labels {
  return Object.fromEntries(by.flatMap((label) => labels[label] === undefined ? [] : [[label, labels[label]]]))
}

/** Index of the last time that is not after `atMs`; -1: there is none. */
function lastAt(times: readonly number[], atMs: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) <= atMs) low = middle + 1
    else high = middle
  }
  return low - 1
}

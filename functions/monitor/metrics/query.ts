/** Expressions over the store, at one moment or at many. */
import { setImmediate as rest } from 'node:timers/promises'
import { evaluate, labelled, type LabelledPoints, LOOKBACK_MS, type Value } from './evaluate.ts'
import { type Expression, type Selector, selectorsOf } from './expression.ts'
import { createKeyFilter } from './matchers.ts'
import type { MetricStore } from './metric-store.ts'
import { keyOf, type Labels } from './series.ts'

/** How long it computes without a pause. */
const STRETCH_MS = 20

export type Series = { readonly labels: Labels; readonly points: readonly (readonly [ms: number, value: number])[] }

export async function queryAt(store: MetricStore, expression: Expression, atMs: number, signal: AbortSignal): Promise<Value> {
  const pointsOf = await read(store, expression, atMs, atMs, signal)
  return evaluate(expression, atMs, pointsOf)
}

export async function queryRange(
  store: MetricStore, expression: Expression, range: { readonly startMs: number; readonly endMs: number; readonly stepMs: number }, signal: AbortSignal,
): Promise<readonly Series[]> {
  const { startMs, endMs, stepMs } = range
  const pointsOf = await read(store, expression, startMs, endMs, signal)
  let restedMs = performance.now()
  const all = new Map<string, { readonly labels: Labels; readonly points: (readonly [number, number])[] }>()
  for (let atMs = startMs; atMs <= endMs; atMs += stepMs) {
    // Others are answered meanwhile, and the time is looked at.
    if (performance.now() - restedMs > STRETCH_MS) {
      await rest()
      restedMs = performance.now()
    }
    signal.throwIfAborted()
    const value = evaluate(expression, atMs, pointsOf)
    for (const { labels, value: one } of typeof value === 'number' ? [{ labels: {}, value }] : value) {
      const key = keyOf(labels['__name__'] ?? '', labels)
      const series = all.get(key) ?? { labels, points: [] }
      all.set(key, series)
      series.points.push([atMs, one])
    }
  }
  return [...all.values()]
}

/** What every selector needs for all moments of the time, read once. */
async function read(store: MetricStore, expression: Expression, startMs: number, endMs: number, signal: AbortSignal): Promise<(selector: Selector) => readonly LabelledPoints[]> {
  const points = new Map<Selector, readonly LabelledPoints[]>()
  for (const { selector, rangeMs } of selectorsOf(expression)) {
    const found = await store.select(createKeyFilter(selector.name, selector.matchers), startMs - Math.max(LOOKBACK_MS, rangeMs), endMs, signal)
    points.set(selector, found.map(labelled))
  }
  return (selector) => points.get(selector) ?? []
}

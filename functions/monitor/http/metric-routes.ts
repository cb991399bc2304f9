/** Metrics: asked for as Prometheus is, shown as its text, and boards that tell of themselves. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { busy, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { type Expression, parseExpression } from '../metrics/expression.ts'
import { textOf, writeExposition } from '../metrics/exposition.ts'
import { type MetricStore, TooManyPoints } from '../metrics/metric-store.ts'
import { MAX_NODES, type Nodes } from '../metrics/node-figures.ts'
import { queryAt, queryRange } from '../metrics/query.ts'
import { createSlots } from '../slots.ts'
import { InstantAnswer, instantQuery, momentMs, NodeBody, NodeList, nodePath, RangeAnswer, rangeQuery, stepMs } from './metric-shapes.ts'

export type MetricRoutesDeps = {
  readonly store: MetricStore
  readonly nodes: Nodes
  readonly types: () => ReadonlyMap<string, string>
  readonly queryMs: number
  readonly nowMs: () => number
}

const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const AT_ONCE = 2
const MAX_WAITING = 20
const BUSY_SECONDS = 2
/** As Prometheus. */
const MAX_STEPS = 11_000

export function metricRoutes({ store, nodes, types, queryMs, nowMs }: MetricRoutesDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const same = { tag: 'metrics', access: 'token' } as const
  const slots = createSlots(AT_ONCE, MAX_WAITING, () => busy('as many queries are running and waiting as may be', BUSY_SECONDS))

  const ask = <T>(hangUp: AbortSignal, act: (signal: AbortSignal) => Promise<T>): Promise<T> => slots.run(async () => {
    const timeout = AbortSignal.timeout(queryMs)
    try {
      return await act(AbortSignal.any([timeout, hangUp]))
    } catch (error) {
      if (error instanceof TooManyPoints) throw new Problem(422, 'query_too_large', `${error.message}: name more labels, or a shorter time`)
      if (timeout.aborted) throw new Problem(422, 'query_too_long', `this took longer than query_time (${queryMs} ms): ask for a shorter time`)
      throw error
    }
  })

  return [
    route({
      ...same, method: 'get', at: '/v1/metrics', id: 'showMetrics', summary: 'The last sample of every series, as Prometheus scrapes it',
      answers: { 200: { description: 'Text exposition, version 0.0.4', type: 'text/plain' } },
      handle: () => ({ status: 200, headers: { 'content-type': EXPOSITION_TYPE }, body: writeExposition(store.last().samples, types()) }),
    }),

    route({
      ...same, method: 'get', at: '/api/v1/query', id: 'queryMetrics', summary: 'An expression at a moment', query: instantQuery,
      answers: { 200: { description: 'As Prometheus answers', schema: InstantAnswer } },
      async handle({ query, signal }) {
        const atMs = query.time === undefined ? nowMs() : momentMs(query.time)
        if (Number.isNaN(atMs)) throw bad('time', 'is no time')
        const expression = parsed(query.query)
        const value = await ask(signal, (both) => queryAt(store, expression, atMs, both))
        const data = typeof value === 'number' ? { resultType: 'scalar', result: [atMs / 1000, textOf(value)] }
          : { resultType: 'vector', result: value.map(({ labels, value: one }) => ({ metric: labels, value: [atMs / 1000, textOf(one)] })) }
        return json({ status: 'success', data })
      },
    }),

    route({
      ...same, method: 'get', at: '/api/v1/query_range', id: 'queryRange', summary: 'An expression over a time, step by step', query: rangeQuery,
      answers: { 200: { description: 'As Prometheus answers', schema: RangeAnswer } },
      async handle({ query, signal }) {
        const range = { startMs: momentMs(query.start), endMs: momentMs(query.end), stepMs: stepMs(query.step) }
        if (Number.isNaN(range.startMs)) throw bad('start', 'is no time')
        if (Number.isNaN(range.endMs) || range.endMs < range.startMs) throw bad('end', 'is before start')
        if (range.stepMs < 1 || (range.endMs - range.startMs) / range.stepMs > MAX_STEPS) throw bad('step', `makes more than ${MAX_STEPS} points of each series`)
        const expression = parsed(query.query)
        const series = await ask(signal, (both) => queryRange(store, expression, range, both))
        const result = series.map(({ labels, points }) => ({ metric: labels, values: points.map(([ms, value]) => [ms / 1000, textOf(value)]) }))
        return json({ status: 'success', data: { resultType: 'matrix', result } })
      },
    }),

    route({
      ...same, method: 'get', at: '/v1/nodes', id: 'listNodes', summary: 'Boards that tell of themselves, with what they said last',
      answers: { 200: { description: 'In the order of when they did', schema: NodeList } },
      handle: () => json({ items: nodes.list().map(({ name, figures, atMs, isUp }) => ({ name, up: isUp, seen: new Date(atMs).toISOString(), ...figures })) }),
    }),

    route({
      ...same, method: 'post', at: '/v1/nodes/:name', id: 'putNode', summary: 'A board tells of itself; at least every minute, or it counts as lost',
      path: nodePath, body: NodeBody, answers: { 204: { description: 'It is in the next moment that is kept' } },
      handle({ path, body }) {
        if (!nodes.hasRoomFor(path.name)) throw new Problem(409, 'too_many', `${MAX_NODES} boards tell of themselves, as many as may: one is forgotten a week after it was lost`)
        nodes.put(path.name, body)
        return nothing()
      },
    }),
  ]
}

function bad(name: string, detail: string): Problem {
  return new Problem(422, 'bad_range', `query/${name}: ${detail}`, { errors: [{ in: 'query', path: `/${name}`, detail }] })
}

function parsed(text: string): Expression {
  try {
    return parseExpression(text)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new Problem(422, 'bad_query', `the query is not understood: ${detail}`, { errors: [{ in: 'query', path: '/query', detail }] })
  }
}

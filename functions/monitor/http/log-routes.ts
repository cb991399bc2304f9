/** Lines: searched, followed by call id, and live. */
import { json } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { busy, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import type { FoundLine } from '../logs/line.ts'
import type { LogQuery, LogStore } from '../logs/log-store.ts'
import { createSlots } from '../slots.ts'
import { seen } from './found-line.ts'
import { CallLines, callPath, filterOf, Lines, logQuery, MAX_CALL_LINES, Place, tailHeaders, tailQuery } from './log-shapes.ts'
import { streamTail } from './tail.ts'

export type LogRoutesDeps = { readonly store: LogStore; readonly queryMs: number }

const AT_ONCE = 2
const MAX_WAITING = 20
const BUSY_SECONDS = 2

export function logRoutes({ store, queryMs }: LogRoutesDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const cursors = createCursorCodec(Place)
  const slots = createSlots(AT_ONCE, MAX_WAITING, () => busy('as many searches are running and waiting as may be', BUSY_SECONDS))
  const same = { tag: 'logs', access: 'token' } as const

  const find = (query: Omit<LogQuery, 'signal'>, hangUp: AbortSignal): Promise<readonly FoundLine[]> => slots.run(async () => {
    const timeout = AbortSignal.timeout(queryMs)
    try {
      return await store.find({ ...query, signal: AbortSignal.any([timeout, hangUp]) })
    } catch (error) {
      if (!timeout.aborted) throw error
      throw new Problem(422, 'query_too_long', `this took longer than query_time (${queryMs} ms): narrow it with since and until, a function or a level`)
    }
  })

  return [
    route({
      ...same, method: 'get', at: '/v1/logs', id: 'findLines', summary: 'Lines of all functions, filtered',
      query: logQuery, answers: { 200: { description: 'In order of time', schema: Lines } },
      async handle({ query, signal }) {
        const { order, limit, cursor, since, until } = query
        const at = cursor === undefined ? undefined : await cursors.read(cursor)
        const lines = await find({
          order, limit: limit + 1, after: at && { timeMs: at[0], position: [at[1], at[2]] },
          filter: filterOf(query, since === undefined ? undefined : Date.parse(since), until === undefined ? undefined : Date.parse(until)),
        }, signal)
        const page = pageOf(lines, limit, cursors, ({ line, position }) => [line.timeMs, ...position])
        return json({ ...page, items: page.items.map(seen) })
      },
    }),

    route({
      ...same, method: 'get', at: '/v1/calls/:id', id: 'followCall', summary: 'All lines of one call, whatever functions it went through',
      path: callPath, answers: { 200: { description: 'None, where nothing has been written under this id', schema: CallLines } },
      async handle({ path, signal }) {
        const lines = await find({ order: 'asc', limit: MAX_CALL_LINES + 1, after: undefined, filter: filterOf({ call: path.id }) }, signal)
        const items = lines.slice(0, MAX_CALL_LINES).map(seen)
        return json({
          call_id: path.id, functions: [...new Set(lines.map(({ line }) => line.functionName))],
          ...(items.length > 0 && { started: items[0]?.['time'], ended: items.at(-1)?.['time'] }), items, truncated: lines.length > items.length,
        })
      },
    }),

    route({
      ...same, method: 'get', at: '/v1/logs/tail', id: 'tailLines', summary: 'Lines as they come, for a while; come back with the last id',
      description: 'A JSON object per line, or server-sent events. Who reads too slowly misses lines, and is told how many.',
      query: tailQuery, headers: tailHeaders,
      answers: { 200: { description: 'The stream', type: 'application/x-ndjson' } },
      handle({ query, headers, signal }) {
        return streamTail({
          store, filter: filterOf(query), after: headers['last-event-id'] || query.after, isEvents: (headers.accept ?? '').includes('text/event-stream'), signal,
        })
      },
    }),
  ]
}

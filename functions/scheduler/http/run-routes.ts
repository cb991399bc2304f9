/** Routes of runs, and of those that failed for good. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { cancelRun, deadRuns, discard, needRun, redrive } from '../store/runs.ts'
import { showRun } from '../store/stored-run.ts'
import { Id, page, paging, QueueName, Run, runInPath } from './shapes.ts'

const answersRun = { 200: { description: 'The run', schema: Run } }

export function runRoutes(deps: Deps): readonly Route<undefined>[] {
  const { db } = deps
  const route = routeFor<undefined>()
  const cursors = createCursorCodec(z.strictObject({ at: z.int(), id: z.string().max(100) }))
  const runs = { tag: 'runs', access: 'token' } as const
  const dead = { tag: 'dead letters', access: 'token' } as const
  return [
    route({
      ...runs, method: 'get', at: '/v1/runs/:id', id: 'getRun', summary: 'One run, with its log and result', path: runInPath, answers: answersRun,
      async handle({ path }) {
        return json(showRun(await needRun(db, path.id)))
      },
    }),
    route({
      ...runs, method: 'post', at: '/v1/runs/:id/cancel', id: 'cancelRun', summary: 'Ends one run', path: runInPath, answers: answersRun,
      description: 'A call that is under way is ended by its replica, at the latest when it renews its lease.',
      async handle({ path }) {
        await cancelRun(deps, await needRun(db, path.id))
        return json(showRun(await needRun(db, path.id)))
      },
    }),
    route({
      ...dead, method: 'get', at: '/v1/dead-letters', id: 'listDeadLetters', summary: 'Runs that failed for good, the latest first',
      query: paging.extend({ queue: QueueName.optional(), job: Id.optional() }), answers: { 200: { description: 'A page of them', schema: page(Run) } },
      async handle({ query: { limit, cursor, queue, job } }) {
        const before = cursor === undefined ? undefined : await cursors.read(cursor)
        const found = await deadRuns(db, { queue, job }, { before, limit })
        const { items, ...more } = pageOf(found.runs, found.limit, cursors, ({ ended_at: at, id }) => ({ at: at ?? 0, id }))
        return json({ items: items.map(showRun), ...more })
      },
    }),
    route({
      ...dead, method: 'post', at: '/v1/dead-letters/redrive', id: 'redriveAll', summary: 'Puts dead letters back into their queues, the oldest first, 1000 at most',
      body: z.strictObject({ queue: QueueName.optional(), job: Id.optional() }),
      answers: { 200: { description: 'How many', schema: z.object({ redriven: z.int() }) } },
      async handle({ body }) {
        return json({ redriven: await redrive(deps, body) })
      },
    }),
    route({
      ...dead, method: 'post', at: '/v1/dead-letters/:id/redrive', id: 'redriveOne', summary: 'Puts one dead letter back into its queue', path: runInPath, answers: answersRun,
      async handle({ path }) {
        const { state } = await needRun(db, path.id)
        if (await redrive(deps, { id: path.id }) === 0) {
          throw new Problem(409, 'conflict', state === 'dead' ? `the job of run ${path.id} was cancelled, or another one has its unique_key` : `the run ${path.id} is ${state}: it is no dead letter`)
        }
        return json(showRun(await needRun(db, path.id)))
      },
    }),
    route({
      ...dead, method: 'delete', at: '/v1/dead-letters/:id', id: 'discardDeadLetter', summary: 'Throws a dead letter away', path: runInPath, answers: { 204: { description: 'Done' } },
      async handle({ path }) {
        await discard(deps, path.id)
        return nothing()
      },
    }),
  ]
}

/** Routes of queues. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { etagOf } from '@bramble/runtime/service/etag'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { listQueues, needQueue, putQueue, removeQueue, showQueue } from '../store/queues.ts'
import { ifMatch, Queue, QueueChange, queueInPath } from './shapes.ts'

const answersQueue = { 200: { description: 'The queue', schema: Queue, headers: { ETag: 'Of its settings' } } }

export function queueRoutes(deps: Deps): readonly Route<undefined>[] {
  const { db } = deps
  const route = routeFor<undefined>()
  const common = { tag: 'queues', access: 'token' } as const
  return [
    route({
      ...common, method: 'get', at: '/v1/queues', id: 'listQueues', summary: 'All queues', answers: { 200: { description: 'All of them', schema: z.object({ items: z.array(Queue) }) } },
      async handle() {
        return json({ items: (await listQueues(db)).map(showQueue) })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/queues/:name', id: 'getQueue', summary: 'One queue', path: queueInPath, answers: answersQueue,
      async handle({ path }) {
        const queue = await needQueue(db, path.name)
        return json(showQueue(queue), 200, { etag: etagOf(queue.version) })
      },
    }),
    route({
      ...common, method: 'put', at: '/v1/queues/:name', id: 'putQueue', summary: 'Makes a queue, or changes what is named of it',
      path: queueInPath, headers: ifMatch, body: QueueChange, answers: answersQueue,
      async handle({ path, headers, body }) {
        const queue = await putQueue(db, path.name, body, deps.settings.queueConcurrency, headers['if-match'])
        deps.worker.wake()
        return json(showQueue(queue), 200, { etag: etagOf(queue.version) })
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/queues/:name', id: 'removeQueue', summary: 'Removes a queue without jobs', path: queueInPath, headers: ifMatch,
      answers: { 204: { description: 'Done' } },
      async handle({ path, headers }) {
        await removeQueue(db, path.name, headers['if-match'])
        return nothing()
      },
    }),
  ]
}

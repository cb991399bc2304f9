/** Routes for admins: the applications and machines of OAuth. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { notFound } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { createClient, deleteClient, findClient, listClients, showClient } from '../oauth/clients.ts'
import { createKeptAnswers } from '../store/kept-answers.ts'
import { type Caller, nameOf, originOf } from './caller.ts'
import { BODY_LIMIT_BYTES } from './entry-routes.ts'
import { Client, idempotencyKey, inPath, NewClient, page, paging } from './shapes.ts'

export function clientRoutes(deps: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const once = createIdempotency()
  const kept = createKeptAnswers(deps)
  const cursors = createCursorCodec(z.strictObject({ after: z.string().max(64) }))
  const common = { tag: 'clients', access: 'admin', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  return [
    route({
      ...common, method: 'get', at: '/v1/clients', id: 'listClients', summary: 'Clients, by id', query: paging,
      answers: { 200: { description: 'A page of them', schema: page(Client) } },
      async handle({ query: { limit, cursor } }) {
        const { after } = cursor === undefined ? { after: '' } : await cursors.read(cursor)
        const clients = await listClients(deps.db, { after, limit: limit + 1 })
        return json(pageOf(clients.map(showClient), limit, cursors, ({ client_id }) => ({ after: client_id })))
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/clients', id: 'createClient',
      summary: 'An application or a machine', headers: idempotencyKey, body: NewClient,
      answers: { 201: { description: 'The client; its secret is shown once', schema: Client.extend({ client_secret: z.string().optional() }) } },
      async handle({ caller, headers, body, request, callId }) {
        const origin = originOf(request, callId)
        const scope = `clients ${nameOf(caller)}`
        return once({
          key: headers['idempotency-key'], scope, request: body, store: { find: (key) => kept.find(scope, key, origin.nowMs) },
          run: async (call) => json(await createClient(deps, body, nameOf(caller), origin, (answer) =>
            call === undefined ? [] : kept.keep(scope, { ...call, status: 201, body: JSON.stringify(answer) }, origin.nowMs)), 201),
        })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/clients/:id', id: 'getClient', summary: 'One client', path: inPath,
      answers: { 200: { description: 'The client', schema: Client } },
      async handle({ path }) {
        const client = await findClient(deps.db, path.id)
        if (client === undefined) throw notFound(`there is no client ${path.id}`)
        return json(showClient(client))
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/clients/:id', id: 'deleteClient',
      summary: 'Ends a client, and every session that it has', path: inPath,
      answers: { 204: { description: 'Done' } },
      async handle({ path, caller, request, callId }) {
        await deleteClient(deps, path.id, nameOf(caller), originOf(request, callId))
        return nothing()
      },
    }),
  ]
}

/** Tokens over HTTP: for the holder of the service token only. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { checkKey } from '@bramble/runtime/service/idempotency'
import { notFound } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Caller } from './access.ts'
import { asProblem } from './data-problem.ts'
import { idempotencyKey, MadeToken, NewToken, page, paging, TokenInfo } from './shapes.ts'
import type { Token, Tokens } from './tokens.ts'

const inPath = z.strictObject({ id: z.string().regex(/^[0-9a-f]{18}$/) })

export function tokenRoutes({ tokens }: { readonly tokens: Tokens }): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const cursors = createCursorCodec(z.strictObject({ after: z.string() }))

  return [
    route({
      method: 'get', at: '/v1/tokens', id: 'listTokens', tag: 'tokens', access: 'service', summary: 'All tokens, without their texts',
      query: paging,
      answers: { 200: { description: 'A page of them', schema: page(TokenInfo) } },
      async handle({ query: { limit, cursor } }) {
        const { after } = cursor === undefined ? { after: '' } : await cursors.read(cursor)
        const found = await asProblem(tokens.list(after, limit + 1))
        return json(pageOf(found.map(tokenJson), limit, cursors, ({ id }) => ({ after: id })))
      },
    }),
    route({
      method: 'post', at: '/v1/tokens', id: 'createToken', tag: 'tokens', access: 'service',
      summary: 'Makes a token with rights; its text is in this answer only',
      body: NewToken, headers: idempotencyKey,
      answers: { 201: { description: 'It works from now on', schema: MadeToken } },
      async handle({ body, headers }) {
        const { token, text } = await asProblem(tokens.create(body, checkKey(headers['idempotency-key'])))
        return json({ ...tokenJson(token), token: text }, 201)
      },
    }),
    route({
      method: 'delete', at: '/v1/tokens/:id', id: 'revokeToken', tag: 'tokens', access: 'service',
      summary: 'Revokes a token: it is worth nothing from now on', path: inPath,
      answers: { 204: { description: 'Revoked' } },
      async handle({ path: { id } }) {
        if (!await asProblem(tokens.revoke(id))) throw notFound(`there is no token ${id}`)
        return nothing()
      },
    }),
  ]
}

function tokenJson({ id, label, grants, createdAt }: Token) {
  return { id, label, created_at: createdAt, grants }
}

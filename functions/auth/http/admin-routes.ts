/** Routes for admins, and for services with the service token. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { changeUser, createUser, needUser, removeUser, resetSecondFactor, signOutUser } from '../people/admin.ts'
import { readAudit } from '../store/audit.ts'
import { createKeptAnswers } from '../store/kept-answers.ts'
import { normalizeEmail, readUser, showUser, userColumns } from '../store/users.ts'
import { type Caller, nameOf, originOf } from './caller.ts'
import { BODY_LIMIT_BYTES } from './entry-routes.ts'
import { Account, AuditEntry, idempotencyKey, ifMatch, inPath, NewUser, page, paging, UserChange } from './shapes.ts'

const etagHeader = { ETag: 'Of the account' }
const done = { 204: { description: 'Done' } }
const account = { 200: { description: 'The account', schema: Account, headers: etagHeader } }

export function adminRoutes(deps: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const once = createIdempotency()
  const kept = createKeptAnswers(deps)
  const userCursors = createCursorCodec(z.strictObject({ after: z.string().max(64) }))
  const auditCursors = createCursorCodec(z.strictObject({ before: z.int() }))
  const common = { tag: 'admin', access: 'admin', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  return [
    route({
      ...common, method: 'get', at: '/v1/users', id: 'listUsers', summary: 'Accounts, by id',
      query: paging.extend({ email: z.string().max(254).optional().describe('Only the one with this address') }),
      answers: { 200: { description: 'A page of them', schema: page(Account) } },
      async handle({ query: { limit, cursor, email } }) {
        const { after } = cursor === undefined ? { after: '' } : await userCursors.read(cursor)
        const rows = await deps.db.query(
          `SELECT ${userColumns} FROM users WHERE id > :after ${email === undefined ? '' : 'AND email = :email'} ORDER BY id LIMIT :limit`,
          { after, limit: limit + 1, ...(email !== undefined && { email: normalizeEmail(email) }) })
        return json(pageOf(rows.map((row) => showUser(readUser(row))), limit, userCursors, ({ id }) => ({ after: id })))
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/users', id: 'createUser', summary: 'An account whose address is taken as confirmed',
      headers: idempotencyKey, body: NewUser, answers: { 201: { description: 'The account', schema: Account } },
      async handle({ caller, headers, body, request, callId }) {
        const origin = originOf(request, callId)
        const scope = `users ${nameOf(caller)}`
        return once({
          key: headers['idempotency-key'], scope, request: body, store: { find: (key) => kept.find(scope, key, origin.nowMs) },
          run: async (call) => json(showUser(await createUser(deps, body, nameOf(caller), origin, (answer) =>
            call === undefined ? [] : kept.keep(scope, { ...call, status: 201, body: JSON.stringify(answer) }, origin.nowMs))), 201),
        })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/users/:id', id: 'getUser', summary: 'One account', path: inPath, answers: account,
      async handle({ path }) {
        const user = await needUser(deps, path.id)
        return json(showUser(user), 200, { etag: etagOf(user.version) })
      },
    }),
    route({
      ...common, method: 'patch', at: '/v1/users/:id', id: 'changeUser', summary: 'Changes name, roles or whether the account may log in',
      description: 'Disabling ends all sessions. New roles are in the next access token.',
      path: inPath, headers: ifMatch, body: UserChange, answers: account,
      async handle({ path, headers, body, caller, request, callId }) {
        const user = await needUser(deps, path.id)
        checkIfMatch(headers['if-match'], etagOf(user.version))
        const changed = await changeUser(deps, user, body, nameOf(caller), originOf(request, callId))
        return json(showUser(changed), 200, { etag: etagOf(changed.version) })
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/users/:id', id: 'deleteUser',
      summary: 'Ends an account for good', path: inPath, headers: ifMatch, answers: done,
      async handle({ path, headers, caller, request, callId }) {
        const user = await needUser(deps, path.id)
        checkIfMatch(headers['if-match'], etagOf(user.version))
        await removeUser(deps, user, nameOf(caller), originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/users/:id/sessions', id: 'signOutUser',
      summary: 'Ends all sessions of an account', path: inPath, answers: done,
      async handle({ path, caller, request, callId }) {
        await signOutUser(deps, await needUser(deps, path.id), nameOf(caller), originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/users/:id/totp', id: 'resetSecondFactor', summary: 'For who has lost phone and recovery codes',
      path: inPath, answers: done,
      async handle({ path, caller, request, callId }) {
        await resetSecondFactor(deps, await needUser(deps, path.id), nameOf(caller), originOf(request, callId))
        return nothing()
      },
    }),

    route({
      ...common, method: 'get', at: '/v1/audit', id: 'audit', summary: 'Security events, the latest first',
      query: paging.extend({ user_id: z.string().max(64).optional().describe('Only those of this account') }),
      answers: { 200: { description: 'A page of them', schema: page(AuditEntry) } },
      async handle({ query: { limit, cursor, user_id } }) {
        const { before } = cursor === undefined ? { before: Number.MAX_SAFE_INTEGER } : await auditCursors.read(cursor)
        const items = await readAudit(deps.db, { before, limit: limit + 1, userId: user_id })
        return json(pageOf(items, limit, auditCursors, ({ id }) => ({ before: id })))
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/keys', id: 'rotateKeys', summary: 'A new signing key, at once',
      description: 'With `forget_old` all tokens signed before are void: for a key that leaked.',
      body: z.strictObject({ forget_old: z.boolean().default(false) }), answers: { 201: { description: 'Its id', schema: z.object({ kid: z.string() }) } },
      handle: async ({ body, request, callId }) => json(await deps.keys.rotate(originOf(request, callId), body.forget_old), 201),
    }),
  ]
}

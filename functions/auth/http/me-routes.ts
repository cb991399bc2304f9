/** Routes for one's own account. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { deleteAccount, exportAccount } from '../people/account.ts'
import { changeUser } from '../people/admin.ts'
import { createApiKey, deleteApiKey, listApiKeys } from '../people/api-keys.ts'
import { changePassword } from '../people/passwords.ts'
import { beginTotp, confirmTotp, disableTotp, renewRecoveryCodes } from '../people/second-factor.ts'
import { endOtherSessions, endSession, listSessions } from '../people/session-tokens.ts'
import { createKeptAnswers } from '../store/kept-answers.ts'
import { showUser } from '../store/users.ts'
import { type Caller, originOf, personIn } from './caller.ts'
import { BODY_LIMIT_BYTES } from './entry-routes.ts'
import { Account, ApiKey, idempotencyKey, ifMatch, inPath, Name, NewApiKey, Password, Proof, RecoveryCodes, secondFactor, ShownSession } from './shapes.ts'

const etagHeader = { ETag: 'Of the account' }
const done = { 204: { description: 'Done' } }

export function meRoutes(deps: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const once = createIdempotency()
  const kept = createKeptAnswers(deps)
  const common = { tag: 'me', access: 'person', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  return [
    route({
      ...common, method: 'get', at: '/v1/me', id: 'me', summary: 'My account',
      answers: { 200: { description: 'The account', schema: Account, headers: etagHeader } },
      handle({ caller }) {
        const { user } = personIn(caller)
        return json(showUser(user), 200, { etag: etagOf(user.version) })
      },
    }),
    route({
      ...common, method: 'patch', at: '/v1/me', id: 'changeMe',
      summary: 'Changes my name', headers: ifMatch, body: z.strictObject({ name: Name }),
      answers: { 200: { description: 'The account', schema: Account, headers: etagHeader } },
      async handle({ caller, headers, body, request, callId }) {
        const { user } = personIn(caller)
        checkIfMatch(headers['if-match'], etagOf(user.version))
        const changed = await changeUser(deps, user, body, user.id, originOf(request, callId))
        return json(showUser(changed), 200, { etag: etagOf(changed.version) })
      },
    }),
    route({
      ...common, method: 'get', at: '/v1/me/export', id: 'exportMe', summary: 'Everything that is kept about me',
      answers: { 200: { description: 'All of it', schema: z.looseObject({ exported_at: z.string(), account: Account }) } },
      async handle({ caller, request, callId }) {
        const data = await exportAccount(deps, personIn(caller).user, originOf(request, callId))
        return json(data, 200, { 'content-disposition': 'attachment; filename="account.json"' })
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/me/delete', id: 'deleteMe', summary: 'Ends my account for good', body: Proof, answers: done,
      async handle({ caller, body, request, callId }) {
        await deleteAccount(deps, personIn(caller).user, body, originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/me/password', id: 'changePassword', summary: 'Changes my password; ends my other sessions',
      body: z.strictObject({ password: Password, new_password: Password, ...secondFactor }), answers: done,
      async handle({ caller, body, request, callId }) {
        const { user, session } = personIn(caller)
        await changePassword(deps, user, session.id, body, originOf(request, callId))
        return nothing()
      },
    }),

    route({
      ...common, method: 'get', at: '/v1/me/sessions', id: 'mySessions', summary: 'Where I am logged in',
      answers: { 200: { description: 'At most 50, the latest first', schema: z.object({ items: z.array(ShownSession) }) } },
      handle: async ({ caller, request, callId }) => json({ items: await listSessions(deps, personIn(caller).session, originOf(request, callId)) }),
    }),
    route({
      ...common, method: 'delete', at: '/v1/me/sessions', id: 'endOtherSessions',
      summary: 'Ends all my sessions but this one', answers: done,
      async handle({ caller, request, callId }) {
        await endOtherSessions(deps, personIn(caller).session, originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/me/sessions/:id', id: 'endSession',
      summary: 'Ends one of my sessions', path: inPath, answers: done,
      async handle({ caller, path, request, callId }) {
        await endSession(deps, personIn(caller).user.id, path.id, originOf(request, callId))
        return nothing()
      },
    }),

    route({
      ...common, method: 'get', at: '/v1/me/api-keys', id: 'myApiKeys', summary: 'My API keys, without their secrets',
      answers: { 200: { description: 'At most 50', schema: z.object({ items: z.array(ApiKey) }) } },
      handle: async ({ caller }) => json({ items: await listApiKeys(deps.db, personIn(caller).user.id) }),
    }),
    route({
      ...common, method: 'post', at: '/v1/me/api-keys', id: 'createApiKey', summary: 'A key for a machine that acts for me',
      description: 'A machine gets its access tokens at `/oauth/token` with `grant_type=client_credentials`, `id` as the client and `key` as its secret.',
      headers: idempotencyKey, body: NewApiKey,
      answers: { 201: { description: 'The key; it is shown once', schema: ApiKey.extend({ key: z.string() }) } },
      async handle({ caller, headers, body, request, callId }) {
        const { user } = personIn(caller)
        const origin = originOf(request, callId)
        const scope = `api-keys ${user.id}`
        return once({
          key: headers['idempotency-key'], scope, request: body, store: { find: (key) => kept.find(scope, key, origin.nowMs) },
          run: async (call) => json(await createApiKey(deps, user, body, origin, (answer) =>
            call === undefined ? [] : kept.keep(scope, { ...call, status: 201, body: JSON.stringify(answer) }, origin.nowMs)), 201),
        })
      },
    }),
    route({
      ...common, method: 'delete', at: '/v1/me/api-keys/:id', id: 'deleteApiKey', summary: 'Ends an API key', path: inPath, answers: done,
      async handle({ caller, path, request, callId }) {
        await deleteApiKey(deps, personIn(caller).user.id, path.id, originOf(request, callId))
        return nothing()
      },
    }),

    route({
      ...common, method: 'post', at: '/v1/me/totp', id: 'beginTotp',
      summary: 'A secret for an authenticator app', body: z.strictObject({ password: Password }),
      answers: { 200: { description: 'Not needed before it is confirmed', schema: z.object({ secret: z.string(), uri: z.string() }) } },
      handle: async ({ caller, body, request, callId }) => json(await beginTotp(deps, personIn(caller).user, body.password, originOf(request, callId))),
    }),
    route({
      ...common, method: 'post', at: '/v1/me/totp/confirm', id: 'confirmTotp', summary: 'From now on the second factor is needed',
      body: z.strictObject({ totp: z.string().max(10) }), answers: { 200: { description: 'The recovery codes', schema: RecoveryCodes } },
      handle: async ({ caller, body, request, callId }) =>
        json({ recovery_codes: await confirmTotp(deps, personIn(caller).user, body.totp, originOf(request, callId)) }),
    }),
    route({
      ...common, method: 'post', at: '/v1/me/totp/disable', id: 'disableTotp',
      summary: 'Without a second factor again', body: Proof, answers: done,
      async handle({ caller, body, request, callId }) {
        await disableTotp(deps, personIn(caller).user, body, originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, method: 'post', at: '/v1/me/recovery-codes', id: 'renewRecoveryCodes',
      summary: 'New recovery codes; the old ones are void', body: Proof,
      answers: { 200: { description: 'The recovery codes', schema: RecoveryCodes } },
      handle: async ({ caller, body, request, callId }) =>
        json({ recovery_codes: await renewRecoveryCodes(deps, personIn(caller).user, body, originOf(request, callId)) }),
    }),
  ]
}

/** Routes that anybody may call: the ways in. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { logIn } from '../people/login.ts'
import { forgetPassword, resetPassword } from '../people/passwords.ts'
import { register, verifyEmail } from '../people/registration.ts'
import { accessAnswer, endOwnSession, refreshSession } from '../people/session-tokens.ts'
import { type Caller, originOf } from './caller.ts'
import { Accepted, Email, Name, Password, secondFactor, Token, Tokens } from './shapes.ts'

/** Nothing here is longer than a password and a few names. */
export const BODY_LIMIT_BYTES = 16 * 1024

const accepted = () => json({ status: 'accepted' }, 202)

export function entryRoutes(deps: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const common = { method: 'post', tag: 'entry', access: 'public', bodyLimitBytes: BODY_LIMIT_BYTES } as const
  const tokens = { 200: { description: 'Tokens', schema: Tokens } }
  return [
    route({
      ...common, at: '/v1/register', id: 'register', summary: 'Begins an account; the letter that follows has the code for `/v1/verify-email`',
      description: 'Answers the same whether the address has an account or not.',
      body: z.strictObject({ email: Email, password: Password, name: Name.default('') }),
      answers: { 202: { description: 'Look into the mailbox', schema: Accepted } },
      async handle({ body, request, callId }) {
        await register(deps, body, originOf(request, callId))
        return accepted()
      },
    }),
    route({
      ...common, at: '/v1/verify-email', id: 'verifyEmail', summary: 'Finishes an account, with the code of the letter and its password; logs in',
      body: z.strictObject({ token: Token, password: Password }), answers: tokens,
      handle: async ({ body, request, callId }) => json(await verifyEmail(deps, body, originOf(request, callId))),
    }),
    route({
      ...common, at: '/v1/login', id: 'login', summary: 'A password, and a second factor where there is one, for tokens',
      description: '401 `second_factor_required`: the same again, with `totp` or `recovery_code`. 429: wait for `Retry-After` seconds.',
      body: z.strictObject({ email: z.string().min(1).max(254), password: Password, ...secondFactor }), answers: tokens,
      handle: async ({ body, request, callId }) => json(await logIn(deps, body, originOf(request, callId))),
    }),
    route({
      ...common, at: '/v1/refresh', id: 'refresh', summary: 'A refresh token for new tokens; it is good once',
      description: 'A token that was spent before ends its session.',
      body: z.strictObject({ refresh_token: Token }), answers: tokens,
      async handle({ body, request, callId }) {
        const origin = originOf(request, callId)
        const { user, session, refreshToken } = await refreshSession(deps, body.refresh_token, null, origin)
        return json({ ...await accessAnswer(deps, user, session, origin), refresh_token: refreshToken, session_id: session.id })
      },
    }),
    route({
      ...common, at: '/v1/logout', id: 'logout', summary: 'Ends the session of a refresh token; one that is over is fine',
      body: z.strictObject({ refresh_token: Token }), answers: { 204: { description: 'Ended' } },
      async handle({ body, request, callId }) {
        await endOwnSession(deps, body.refresh_token, originOf(request, callId))
        return nothing()
      },
    }),
    route({
      ...common, at: '/v1/password/forgot', id: 'forgotPassword', summary: 'Sends a letter with a code for `/v1/password/reset`',
      description: 'Answers the same whether the address has an account or not.',
      body: z.strictObject({ email: Email }), answers: { 202: { description: 'Look into the mailbox', schema: Accepted } },
      async handle({ body, request, callId }) {
        await forgetPassword(deps, body, originOf(request, callId))
        return accepted()
      },
    }),
    route({
      ...common, at: '/v1/password/reset', id: 'resetPassword', summary: 'A new password, with the code of the letter; ends all sessions',
      body: z.strictObject({ token: Token, new_password: Password }), answers: { 204: { description: 'Changed: log in' } },
      async handle({ body, request, callId }) {
        await resetPassword(deps, body, originOf(request, callId))
        return nothing()
      },
    }),
  ]
}

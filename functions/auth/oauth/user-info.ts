/** The userinfo endpoint (OpenID Connect Core, section 5.3). */
import { Problem, unauthorized } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import type { Origin } from '../store/origin.ts'
import { findUser } from '../store/users.ts'
import { introspect, type TokenState } from './token-state.ts'
import { claimsOf } from './token.ts'

export async function userInfo(deps: Deps, token: string | undefined, origin: Origin): Promise<Record<string, unknown>> {
  const state: TokenState = token === undefined ? { active: false } : await introspect(deps, token, undefined, origin)
  if (!state.active) throw invalidToken()
  const { token_type, sub, scope } = state
  if (token_type !== 'Bearer' || typeof sub !== 'string' || typeof scope !== 'string') throw invalidToken()
  if (!scope.split(' ').includes('openid')) {
    throw new Problem(403, 'insufficient_scope', 'the access token has no scope openid', {
      headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="openid"' },
    })
  }
  const user = await findUser(deps.db, sub)
  if (user === undefined) throw invalidToken()
  return { sub: user.id, ...claimsOf(user, scope) }
}

function invalidToken(): Problem {
  const { status, code, message } = unauthorized('the access token is wrong or over')
  return new Problem(status, code, message, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
}

/** A password, and a second factor where there is one, for a session. */
import type { Deps } from '../deps.ts'
import { Problem } from '@bramble/runtime/service/problem'
import { auditStatement } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import type { User } from '../store/users.ts'
import { checkPassword } from './password-check.ts'
import { checkSecondFactor, type SecondFactor, wrongSecondFactor } from './second-factor.ts'
import { accessAnswer, openSession, type TokenAnswer } from './session-tokens.ts'

export type Credentials = SecondFactor & { readonly email: string; readonly password: string }

export type Authenticated = {
  readonly user: User
  readonly amr: readonly string[]
  /** For the transaction that uses the login. */
  readonly statements: readonly Statement[]
}

/** Who this is, as far as it can be known before the transaction. Throws as `checkPassword` and `checkSecondFactor` do. */
export async function authenticate(deps: Deps, credentials: Credentials, origin: Origin): Promise<Authenticated> {
  const { user, settle } = await checkPassword(deps, credentials, origin)
  if (user.email_verified_at === null) {
    throw new Problem(403, 'email_not_verified', 'the e-mail address is not confirmed yet: use the code in the letter, or register again for a new one')
  }
  const { statements, amr } = await checkSecondFactor(deps, user, credentials, origin)
  const told = auditStatement({ event: 'login.succeeded', userId: user.id, detail: { methods: amr.join(' ') } }, origin)
  return { user, amr, statements: [...settle, ...statements, told] }
}

export async function logIn(deps: Deps, credentials: Credentials, origin: Origin): Promise<TokenAnswer> {
  const { user, amr, statements } = await authenticate(deps, credentials, origin)
  const answer = await firstSession(deps, user, amr, statements, origin)
  if (answer === undefined) throw await wrongSecondFactor(deps, user, origin)
  return answer
}

/** A session of this service's own, together with what must happen in the same transaction; `undefined` when that could not. */
export async function firstSession(
  deps: Deps, user: User, amr: readonly string[], statements: readonly Statement[], origin: Origin,
): Promise<TokenAnswer | undefined> {
  const opened = openSession(deps, { userId: user.id, clientId: null, scope: '', amr, authAtMs: origin.nowMs }, origin)
  const { session } = opened
  const answer = await accessAnswer(deps, user, { id: session.id, client_id: null, scope: '', amr: [...amr], auth_at: origin.nowMs }, origin)
  const done = await deps.db.execute([...statements, ...opened.statements])
  return done === undefined ? undefined : { ...answer, refresh_token: session.refreshToken, session_id: session.id }
}

/**
 * The one place where a password is compared. Whatever is wrong (no such account, a wrong password), the caller sees and waits for
 * the same: the same statements, one Argon2 hash, the same answer.
 */
import { Problem } from '@bramble/runtime/service/problem'
import type { Deps } from '../deps.ts'
import { auditStatement } from '../store/audit.ts'
import { backoffRules, blockedQuery, type Counted, countTry, forgetTries, giveBackTry, waitSeconds } from '../store/backoff.ts'
import type { Row, Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { normalizeEmail, readUser, type User, userColumns } from '../store/users.ts'

export type CheckedPassword = {
  readonly user: User
  /** For the transaction that ends the login: takes the counted tries back, and renews a hash made with old parameters. */
  readonly settle: readonly Statement[]
}

/** Throws 429 while the account or the address must wait, 401 when the password is wrong, 403 when the account may not log in. */
export async function checkPassword(
  { db, hasher, log }: Deps, { email, password }: { readonly email: string; readonly password: string }, origin: Origin,
): Promise<CheckedPassword> {
  const address = normalizeEmail(email)
  const counted = triesOf(address, origin)
  const results = await db.execute([
    ...counted.map((one) => countTry(one, origin.nowMs)),
    { sql: `SELECT ${userColumns} FROM users WHERE email = :email`, parameters: { email: address } },
  ])
  if (results === undefined) throw await blocked({ db }, counted, origin)
  const [row] = results.at(-1)?.rows ?? []
  const user = row === undefined ? undefined : readUser(row)

  const { isRight, isOutdated } = await hasher.verify(password, user?.password_hash)
  if (!isRight || user === undefined) {
    await db.execute([auditStatement({ event: 'login.failed', userId: user?.id }, origin)])
    log.info('a login failed', { user: user?.id, address: origin.address })
    throw new Problem(401, 'wrong_credentials', 'the e-mail address or the password is wrong')
  }
  // From here on the caller has shown that the account is theirs.
  if (user.disabled_at !== null) throw new Problem(403, 'account_disabled', 'this account is closed; ask whoever runs this service')
  return { user, settle: [...settleTries(counted), ...isOutdated ? await rehash(hasher, user, password, origin) : []] }
}

/** Throws 401 unless the account's own password is given; for changes that need more than a session. Counts as a login does. */
export async function confirmPassword(deps: Deps, user: User, password: string, origin: Origin): Promise<readonly Statement[]> {
  return (await checkPassword(deps, { email: user.email, password }, origin)).settle
}

export function triesOf(email: string, { address }: Origin): readonly [Counted, Counted] {
  return [{ rule: backoffRules.loginAccount, subject: email }, { rule: backoffRules.loginAddress, subject: address }]
}

/** An attacker with an account of their own must not clear what their address has collected. */
export function settleTries([account, address]: readonly [Counted, Counted]): readonly Statement[] {
  return [forgetTries(account), giveBackTry(address)]
}

/** The answer to a try that came too early. */
export async function blocked({ db }: Pick<Deps, 'db'>, counted: readonly Counted[], origin: Origin): Promise<Problem> {
  const { sql, parameters } = blockedQuery(counted, origin.nowMs)
  const seconds = waitSeconds(await db.query(sql, parameters) satisfies readonly Row[])
  return new Problem(429, 'too_many_attempts', `too many attempts; wait ${seconds} s`, { headers: { 'retry-after': String(seconds) } })
}

async function rehash(hasher: Deps['hasher'], user: User, password: string, origin: Origin): Promise<readonly Statement[]> {
  return [
    {
      sql: 'UPDATE users SET password_hash = :hash WHERE id = :id AND password_hash = :old',
      parameters: { hash: await hasher.hash(password), id: user.id, old: user.password_hash },
    },
    auditStatement({ event: 'password.rehashed', userId: user.id }, origin),
  ]
}

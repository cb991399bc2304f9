/** Changing a password, and getting a new one when it is forgotten. */
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { writeLetter } from '../mail/letters.ts'
import { auditStatement } from '../store/audit.ts'
import { countTry, forgetTries } from '../store/backoff.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { endSessions } from '../store/sessions.ts'
import { normalizeEmail, type User } from '../store/users.ts'
import { hashToken, newToken } from '../tokens/opaque.ts'
import { blocked, triesOf } from './password-check.ts'
import { checkNewPassword } from './password-rules.ts'
import { badMailToken, lettersTo, MAIL_TOKEN_PREFIX } from './registration.ts'
import { confirmBoth, finish, type SecondFactor } from './second-factor.ts'

const MINUTE_MS = 60_000

/** The same answer, statements and time for every address; a letter goes only to those that have an account. */
export async function forgetPassword({ db, outbox, settings }: Deps, input: { readonly email: string }, origin: Origin): Promise<void> {
  const email = normalizeEmail(input.email)
  const token = newToken(MAIL_TOKEN_PREFIX)
  const hash = hashToken(token)
  const counted = lettersTo(email, origin)
  const letter = { to: email, service: settings.serviceName, token, link: settings.resetLink, minutes: settings.resetTokenMs / MINUTE_MS }
  const isMade = 'EXISTS (SELECT 1 FROM mail_tokens WHERE hash = :hash)'
  const results = await db.execute([
    ...counted.map((one) => countTry(one, origin.nowMs)),
    { sql: `DELETE FROM mail_tokens WHERE purpose = 'reset' AND user_id IN (SELECT id FROM users WHERE email = :email)`, parameters: { email } },
    {
      sql: `INSERT INTO mail_tokens (hash, user_id, purpose, expires_at)
        SELECT :hash, id, 'reset', :expires FROM users WHERE email = :email AND disabled_at IS NULL`,
      parameters: { hash, email, expires: origin.nowMs + settings.resetTokenMs },
    },
    outbox.put(writeLetter('reset', letter), origin.nowMs, isMade, { hash }),
    auditStatement({ event: 'password.forgotten' }, origin),
  ])
  if (results === undefined) throw await blocked({ db }, counted, origin)
  outbox.deliver()
}

const resetRow = z.object({ id: z.string(), email: z.string() })

/** Ends all sessions. The second factor stays: who can read the mail has one factor, not two. */
export async function resetPassword(
  deps: Deps, input: { readonly token: string; readonly new_password: string }, origin: Origin,
): Promise<void> {
  const { db, hasher, outbox, settings } = deps
  const hash = hashToken(input.token)
  const [row] = await db.query(
    `SELECT users.id, email FROM mail_tokens JOIN users ON users.id = mail_tokens.user_id
      WHERE hash = :hash AND purpose = 'reset' AND mail_tokens.expires_at > :now AND disabled_at IS NULL`, { hash, now: origin.nowMs })
  if (row === undefined) throw badMailToken()
  const { id, email } = resetRow.parse(row)
  checkNewPassword(input.new_password, { minLength: settings.passwordMinLength, email, path: '/new_password' })
  const passwordHash = await hasher.hash(input.new_password)
  const done = await db.execute([
    { sql: 'DELETE FROM mail_tokens WHERE hash = :hash', parameters: { hash }, changes: 1 },
    { sql: 'DELETE FROM mail_tokens WHERE user_id = :id', parameters: { id } },
    setPassword(id, passwordHash),
    // Reading the letter has shown that the mailbox is theirs.
    { sql: 'UPDATE users SET email_verified_at = :now WHERE id = :id AND email_verified_at IS NULL', parameters: { now: origin.nowMs, id } },
    endSessions(id),
    forgetTries(triesOf(email, origin)[0]),
    outbox.put(writeLetter('changed', { to: email, service: settings.serviceName }), origin.nowMs),
    auditStatement({ event: 'password.reset', userId: id }, origin),
  ])
  if (done === undefined) throw badMailToken()
  outbox.deliver()
}

/** Ends all other sessions. */
export async function changePassword(
  deps: Deps, user: User, sessionId: string, input: SecondFactor & { readonly password: string; readonly new_password: string }, origin: Origin,
): Promise<void> {
  const { hasher, outbox, settings } = deps
  checkNewPassword(input.new_password, { minLength: settings.passwordMinLength, email: user.email, path: '/new_password' })
  const statements = await confirmBoth(deps, user, input, origin)
  const passwordHash = await hasher.hash(input.new_password)
  await finish(deps, user, origin, [
    ...statements,
    setPassword(user.id, passwordHash),
    { sql: `DELETE FROM mail_tokens WHERE user_id = :id`, parameters: { id: user.id } },
    endSessions(user.id, sessionId),
    outbox.put(writeLetter('changed', { to: user.email, service: settings.serviceName }), origin.nowMs),
    auditStatement({ event: 'password.changed', userId: user.id }, origin),
  ])
  outbox.deliver()
}

function setPassword(id: string, hash: string): Statement {
  return { sql: 'UPDATE users SET password_hash = :hash, version = version + 1 WHERE id = :id', parameters: { hash, id }, changes: 1 }
}

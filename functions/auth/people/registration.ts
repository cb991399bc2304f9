/** From an e-mail address to an account. What is answered never tells whether the address had one; only its mailbox learns that. */
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { writeLetter } from '../mail/letters.ts'
import { auditStatement } from '../store/audit.ts'
import { backoffRules, type Counted, countTry } from '../store/backoff.ts'
import type { Origin } from '../store/origin.ts'
import { normalizeEmail } from '../store/users.ts'
import { hashToken, newId, newToken } from '../tokens/opaque.ts'
import { firstSession } from './login.ts'
import { blocked, checkPassword } from './password-check.ts'
import { checkNewPassword } from './password-rules.ts'
import type { TokenAnswer } from './session-tokens.ts'

const MINUTE_MS = 60_000
export const MAIL_TOKEN_PREFIX = 'bmm'

/**
 * An account that is not verified is replaced: its address belongs to nobody yet. Who registered last is who the letter in the
 * mailbox is for, and verifying needs their password too; so nobody can have a stranger's mailbox verify a password of theirs.
 */
export async function register(
  deps: Deps, input: { readonly email: string; readonly password: string; readonly name: string }, origin: Origin,
): Promise<void> {
  const { db, hasher, outbox, settings, log } = deps
  const email = normalizeEmail(input.email)
  checkNewPassword(input.password, { minLength: settings.passwordMinLength, email, path: '/password' })
  // First: a hash is work that nobody shall ask for without end.
  const counted = lettersTo(email, origin)
  if (await db.execute(counted.map((one) => countTry(one, origin.nowMs))) === undefined) throw await blocked({ db }, counted, origin)
  const passwordHash = await hasher.hash(input.password)
  const id = newId('usr')
  const token = newToken(MAIL_TOKEN_PREFIX)
  const isNew = 'EXISTS (SELECT 1 FROM users WHERE id = :user_id)'
  const letter = { to: email, service: settings.serviceName, token, link: settings.verifyLink, minutes: settings.verifyTokenMs / MINUTE_MS }
  await db.execute([
    { sql: 'DELETE FROM mail_tokens WHERE user_id IN (SELECT id FROM users WHERE email = :email AND email_verified_at IS NULL)', parameters: { email } },
    { sql: 'DELETE FROM users WHERE email = :email AND email_verified_at IS NULL', parameters: { email } },
    {
      sql: `INSERT INTO users (id, email, name, password_hash, roles, created_at, version) VALUES (:id, :email, :name, :hash, '[]', :now, 1)
        ON CONFLICT (email) DO NOTHING`,
      parameters: { id, email, name: input.name, hash: passwordHash, now: origin.nowMs },
    },
    {
      sql: `INSERT INTO mail_tokens (hash, user_id, purpose, expires_at) SELECT :hash, :user_id, 'verify', :expires WHERE ${isNew}`,
      parameters: { hash: hashToken(token), user_id: id, expires: origin.nowMs + settings.verifyTokenMs },
    },
    outbox.put(writeLetter('verify', letter), origin.nowMs, isNew, { user_id: id }),
    outbox.put(writeLetter('known', letter), origin.nowMs, `NOT ${isNew}`, { user_id: id }),
    auditStatement({ event: 'account.registered', userId: id }, origin, isNew, { user_id: id }),
    auditStatement({ event: 'account.register_existing' }, origin, `NOT ${isNew}`, { user_id: id }),
  ])
  log.info('a registration', { address: origin.address })
  outbox.deliver()
}

const pendingRow = z.object({ user_id: z.string(), email: z.string() })

/** The code from the letter and the password chosen at registration: the account is its owner's, and logged in. */
export async function verifyEmail(
  deps: Deps, { token, password }: { readonly token: string; readonly password: string }, origin: Origin,
): Promise<TokenAnswer> {
  const hash = hashToken(token)
  const [row] = await deps.db.query(
    `SELECT user_id, email FROM mail_tokens JOIN users ON users.id = mail_tokens.user_id
      WHERE hash = :hash AND purpose = 'verify' AND mail_tokens.expires_at > :now`, { hash, now: origin.nowMs })
  if (row === undefined) throw badMailToken()
  const { email, user_id } = pendingRow.parse(row)
  const { user, settle } = await checkPassword(deps, { email, password }, origin)
  if (user.id !== user_id) throw badMailToken()
  const answer = await firstSession(deps, user, ['pwd'], [
    ...settle,
    { sql: 'DELETE FROM mail_tokens WHERE hash = :hash', parameters: { hash }, changes: 1 },
    {
      sql: 'UPDATE users SET email_verified_at = :now, version = version + 1 WHERE id = :id AND email_verified_at IS NULL',
      parameters: { now: origin.nowMs, id: user_id }, changes: 1,
    },
    auditStatement({ event: 'account.verified', userId: user_id }, origin),
  ], origin)
  if (answer === undefined) throw badMailToken()
  return answer
}

export function lettersTo(email: string, { address }: Origin): readonly Counted[] {
  return [{ rule: backoffRules.letterAccount, subject: email }, { rule: backoffRules.letterAddress, subject: address }]
}

export function badMailToken(): Problem {
  return new Problem(422, 'invalid_code', 'the code is wrong, over or was used before: ask for a new one')
}

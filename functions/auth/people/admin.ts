/** Accounts in an admin's hands. */
import { Problem } from '@bramble/runtime/service/problem'
import { randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { auditStatement } from '../store/audit.ts'
import type { Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { endSessions } from '../store/sessions.ts'
import type { Keep } from '../store/kept-answers.ts'
import { findUser, normalizeEmail, showUser, type User } from '../store/users.ts'
import { newId } from '../tokens/opaque.ts'
import { withoutUser } from './account.ts'
import { checkNewPassword } from './password-rules.ts'
import { withoutSecondFactor } from './second-factor.ts'

export const ADMIN_ROLE = 'admin'
const isAdmin = `EXISTS (SELECT 1 FROM json_each(users.roles) WHERE value = '${ADMIN_ROLE}')`

export type NewUser = { readonly email: string; readonly name: string; readonly roles: readonly string[]; readonly password?: string | undefined }

/** Verified by the admin's word. Without a password its owner asks for one ("forgotten"). */
export async function createUser(
  { db, hasher, settings }: Deps, input: NewUser, by: string, origin: Origin, keep: Keep<ReturnType<typeof showUser>> = () => [],
): Promise<User> {
  const email = normalizeEmail(input.email)
  if (input.password !== undefined) checkNewPassword(input.password, { minLength: settings.passwordMinLength, email, path: '/password' })
  const id = newId('usr')
  const hash = await hasher.hash(input.password ?? randomBytes(32).toString('base64url'))
  const user: User = {
    id, email, email_verified_at: origin.nowMs, name: input.name, password_hash: hash, roles: [...input.roles], created_at: origin.nowMs, version: 1,
    disabled_at: null, totp_secret: null, totp_confirmed_at: null, totp_last_step: 0,
  }
  const done = await db.execute([
    {
      sql: `INSERT INTO users (id, email, email_verified_at, name, password_hash, roles, created_at, version)
        VALUES (:id, :email, :now, :name, :hash, :roles, :now, 1) ON CONFLICT (email) DO NOTHING`,
      parameters: { id, email, now: origin.nowMs, name: input.name, hash, roles: JSON.stringify(input.roles) }, changes: 1,
    },
    auditStatement({ event: 'account.created', userId: id, detail: { by } }, origin),
    ...keep(showUser(user)),
  ])
  if (done === undefined) throw new Problem(409, 'email_taken', 'there is an account with this e-mail address')
  return user
}

export type UserChange = { readonly name?: string | undefined; readonly roles?: readonly string[] | undefined; readonly disabled?: boolean | undefined }

/** `version` is the one the caller saw. Disabling ends all sessions. The last admin stays one. */
export async function changeUser({ db }: Deps, user: User, change: UserChange, by: string, origin: Origin): Promise<User> {
  const roles = change.roles ?? user.roles
  const disabledAt = change.disabled === undefined ? user.disabled_at : change.disabled ? user.disabled_at ?? origin.nowMs : null
  const losesAdmin = user.roles.includes(ADMIN_ROLE) && (!roles.includes(ADMIN_ROLE) || disabledAt !== null)
  const done = await db.execute([
    ...losesAdmin ? [needsOtherAdmin(user.id)] : [],
    {
      sql: 'UPDATE users SET name = :name, roles = :roles, disabled_at = :disabled, version = version + 1 WHERE id = :id AND version = :version',
      parameters: { name: change.name ?? user.name, roles: JSON.stringify(roles), disabled: disabledAt, id: user.id, version: user.version }, changes: 1,
    },
    ...disabledAt === null ? [] : [endSessions(user.id)],
    auditStatement({ event: 'account.changed', userId: user.id, detail: { by, fields: Object.keys(change).join(' ') } }, origin),
  ])
  if (done === undefined) throw await changedMeanwhile({ db }, user)
  return needUser({ db }, user.id)
}

export async function removeUser({ db }: Deps, user: User, by: string, origin: Origin): Promise<void> {
  const done = await db.execute([
    ...user.roles.includes(ADMIN_ROLE) ? [needsOtherAdmin(user.id)] : [],
    { sql: 'UPDATE users SET version = version + 1 WHERE id = :id AND version = :version', parameters: { id: user.id, version: user.version }, changes: 1 },
    ...withoutUser(user.id),
    auditStatement({ event: 'account.deleted', userId: user.id, detail: { by } }, origin),
  ])
  if (done === undefined) throw await changedMeanwhile({ db }, user)
}

export async function signOutUser({ db }: Deps, user: User, by: string, origin: Origin): Promise<void> {
  await db.execute([endSessions(user.id), auditStatement({ event: 'session.all_ended', userId: user.id, detail: { by } }, origin)])
}

/** For who has lost phone and recovery codes; ends all sessions too. */
export async function resetSecondFactor({ db }: Deps, user: User, by: string, origin: Origin): Promise<void> {
  await db.execute([
    ...withoutSecondFactor(user.id), endSessions(user.id),
    auditStatement({ event: 'second_factor.disabled', userId: user.id, detail: { by } }, origin),
  ])
}

export async function needUser({ db }: Pick<Deps, 'db'>, id: string): Promise<User> {
  const user = await findUser(db, id)
  if (user === undefined) throw new Problem(404, 'not_found', `there is no account ${id}`)
  return user
}

const ADMIN_PURPOSE = 'admin password'

/**
 * The admin of the secret. Set once for each value that the secret ever has: so a password that was changed stays changed, and
 * whoever runs the platform gets in again by setting the secret anew. Ends the sessions of the account.
 */
export async function ensureAdmin(
  { db, hasher, settings, vault }: Pick<Deps, 'db' | 'hasher' | 'settings' | 'vault'>, password: string, origin: Origin,
): Promise<void> {
  const mac = vault.mac(ADMIN_PURPOSE, `${settings.adminEmail} ${password}`)
  const [known] = await db.query('SELECT id FROM admin_secret WHERE mac = :mac', { mac })
  if (known !== undefined) return
  await db.execute([
    {
      sql: `INSERT INTO users (id, email, email_verified_at, name, password_hash, roles, created_at, version)
        VALUES (:id, :email, :now, 'Admin', :hash, '["${ADMIN_ROLE}"]', :now, 1)
        ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash, email_verified_at = :now, disabled_at = NULL, version = version + 1,
          roles = CASE WHEN ${isAdmin} THEN roles ELSE json_insert(roles, '$[#]', '${ADMIN_ROLE}') END`,
      parameters: { id: newId('usr'), email: settings.adminEmail, now: origin.nowMs, hash: await hasher.hash(password) }, changes: 1,
    },
    { sql: 'DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE email = :email)', parameters: { email: settings.adminEmail } },
    { sql: 'INSERT INTO admin_secret (id, mac) VALUES (1, :mac) ON CONFLICT (id) DO UPDATE SET mac = excluded.mac', parameters: { mac } },
    auditStatement({ event: 'admin.set' }, origin),
  ])
}

/** Changes nothing and counts one row when there is another admin who can log in. */
function needsOtherAdmin(id: string): Statement {
  return {
    sql: `UPDATE users SET version = version WHERE id = (SELECT id FROM users WHERE id <> :id AND disabled_at IS NULL
      AND ${isAdmin} LIMIT 1)`,
    parameters: { id }, changes: 1,
  }
}

async function changedMeanwhile({ db }: Pick<Deps, 'db'>, user: User): Promise<Problem> {
  const now = await findUser(db, user.id)
  if (now === undefined) return new Problem(404, 'not_found', `there is no account ${user.id}`)
  return now.version === user.version
    ? new Problem(409, 'last_admin', 'this is the last admin: make another one first')
    : new Problem(409, 'changed_meanwhile', 'the account was changed meanwhile: read it again')
}

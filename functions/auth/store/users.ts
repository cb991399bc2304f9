/** Accounts as they lie in the database. */
import * as z from 'zod'
import type { Database, Row } from '@bramble/runtime/service/database'

export type User = z.output<typeof userRow>

const roles = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))
const userRow = z.object({
  id: z.string(), email: z.string(), email_verified_at: z.number().nullable(), name: z.string(), password_hash: z.string(), roles,
  created_at: z.number(), version: z.number(), disabled_at: z.number().nullable(),
  totp_secret: z.string().nullable(), totp_confirmed_at: z.number().nullable(), totp_last_step: z.number(),
})

export const userColumns = `id, email, email_verified_at, name, password_hash, roles, created_at, version, disabled_at,
  totp_secret, totp_confirmed_at, totp_last_step`

export function readUser(row: Row): User {
  return userRow.parse(row)
}

export async function findUser(db: Database, id: string): Promise<User | undefined> {
  const [row] = await db.query(`SELECT ${userColumns} FROM users WHERE id = :id`, { id })
  return row === undefined ? undefined : readUser(row)
}

/** One form for each address, so that it has one account. The part before the @ is case-sensitive on paper only. */
export function normalizeEmail(email: string): string {
  return email.trim().normalize('NFC').toLowerCase()
}

/** Whether an authenticator app is needed to log in. */
export function hasSecondFactor(user: User): boolean {
  return user.totp_confirmed_at !== null
}

/** What people and admins see of an account. */
export function showUser(user: User) {
  return {
    id: user.id, email: user.email, name: user.name, roles: user.roles,
    email_verified: user.email_verified_at !== null, disabled: user.disabled_at !== null, second_factor: hasSecondFactor(user),
    created_at: new Date(user.created_at).toISOString(),
  }
}

/**
 * API keys for machines that act for a person: `bmk_ID.SECRET`. A key is exchanged for an access token (`client_credentials`, the id
 * as `client_id`), so that services only ever see tokens; it manages no account.
 */
import { timingSafeEqual } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { auditStatement } from '../store/audit.ts'
import type { Database } from '@bramble/runtime/service/database'
import type { Keep } from '../store/kept-answers.ts'
import type { Origin } from '../store/origin.ts'
import { readUser, type User, userColumns } from '../store/users.ts'
import { hashToken, newId, newToken } from '../tokens/opaque.ts'

/** Enough for a person's machines; a leak of keys shows in their number. */
const MAX_PER_USER = 50
const DAY_MS = 86_400_000

const keyRow = z.object({
  id: z.string(), name: z.string(), roles: z.string(), created_at: z.number(), expires_at: z.number().nullable(), used_at: z.number().nullable(),
})
const keyColumns = 'id, name, roles, created_at, expires_at, used_at'
const rolesList = z.array(z.string())

export async function listApiKeys(db: Database, userId: string) {
  const rows = await db.query(`SELECT ${keyColumns} FROM api_keys WHERE user_id = :id ORDER BY created_at, id`, { id: userId })
  return rows.map((row) => showKey(keyRow.parse(row)))
}

export type NewApiKey = { readonly name: string; readonly roles?: readonly string[] | undefined; readonly expires_in_days?: number | undefined }

/** The key itself is in the answer, and nowhere else ever. */
export async function createApiKey(
  { db }: Deps, user: User, { name, roles = user.roles, expires_in_days }: NewApiKey, origin: Origin, keep: Keep<ShownKey & { key: string }> = () => [],
) {
  const extra = roles.filter((role) => !user.roles.includes(role))
  if (extra.length > 0) {
    throw new Problem(403, 'role_not_yours', `you do not have ${extra.join(', ')}`, { errors: [{ in: 'body', path: '/roles', detail: 'has a role you do not have' }] })
  }
  const id = newId('key')
  const secret = newToken('s')
  const row = {
    id, name, roles: JSON.stringify(roles), created_at: origin.nowMs,
    expires_at: expires_in_days === undefined ? null : origin.nowMs + expires_in_days * DAY_MS, used_at: null,
  }
  const answer = { ...showKey(row), key: `bmk_${id}.${secret}` }
  const done = await db.execute([
    {
      sql: `INSERT INTO api_keys (id, user_id, name, secret_hash, roles, created_at, expires_at)
        SELECT :id, :user_id, :name, :hash, :roles, :created_at, :expires_at
        WHERE (SELECT count(*) FROM api_keys WHERE user_id = :user_id) < :max`,
      parameters: { id, user_id: user.id, name, hash: hashToken(secret), roles: row.roles, created_at: row.created_at, expires_at: row.expires_at, max: MAX_PER_USER },
      changes: 1,
    },
    auditStatement({ event: 'api_key.created', userId: user.id, detail: { key: id } }, origin),
    ...keep(answer),
  ])
  if (done === undefined) throw new Problem(409, 'too_many_api_keys', `there are ${MAX_PER_USER} keys already: delete one first`)
  return answer
}

export async function deleteApiKey({ db }: Deps, userId: string, id: string, origin: Origin): Promise<void> {
  const done = await db.execute([
    { sql: 'DELETE FROM api_keys WHERE id = :id AND user_id = :user_id', parameters: { id, user_id: userId }, changes: 1 },
    auditStatement({ event: 'api_key.deleted', userId, detail: { key: id } }, origin),
  ])
  if (done === undefined) throw new Problem(404, 'not_found', `there is no API key ${id}`)
}

export type UsedApiKey = { readonly id: string; readonly user: User; readonly roles: readonly string[] }

const foundKey = keyRow.extend({ user_id: z.string(), secret_hash: z.string() })

/** A key by its id and secret, or `undefined`: wrong, over, or its person is gone. The roles are those both still have. */
export async function findApiKey({ db }: Pick<Deps, 'db'>, id: string, secret: string, nowMs: number): Promise<UsedApiKey | undefined> {
  const [row] = await db.query(`SELECT ${keyColumns}, user_id, secret_hash FROM api_keys WHERE id = :id`, { id })
  if (row === undefined) return undefined
  const key = foundKey.parse(row)
  const isRight = timingSafeEqual(Buffer.from(key.secret_hash), Buffer.from(hashToken(secret)))
  if (!isRight || (key.expires_at !== null && key.expires_at <= nowMs)) return undefined
  const [userRow] = await db.query(`SELECT ${userColumns} FROM users WHERE id = :id AND disabled_at IS NULL`, { id: key.user_id })
  if (userRow === undefined) return undefined
  const user = readUser(userRow)
  return { id, user, roles: rolesList.parse(JSON.parse(key.roles)).filter((role) => user.roles.includes(role)) }
}

/** `bmk_ID.SECRET` in two. */
export function parseApiKey(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = /^bmk_(key_[A-Za-z0-9_-]{22})\.(s_[A-Za-z0-9_-]{43})$/.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

type ShownKey = ReturnType<typeof showKey>

function showKey({ id, name, roles, created_at, expires_at, used_at }: z.output<typeof keyRow>) {
  return {
    id, name, roles: rolesList.parse(JSON.parse(roles)), created_at: new Date(created_at).toISOString(),
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
    used_at: used_at === null ? null : new Date(used_at).toISOString(),
  }
}

/** OAuth clients: applications that send people here to log in, and machines with an account of their own. */
import { timingSafeEqual } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import * as z from 'zod'
import type { Deps } from '../deps.ts'
import { auditStatement } from '../store/audit.ts'
import type { Database } from '@bramble/runtime/service/database'
import type { Keep } from '../store/kept-answers.ts'
import type { Origin } from '../store/origin.ts'
import { hashToken, newId, newToken } from '../tokens/opaque.ts'
import { redirectUriProblem } from './redirect-uri.ts'

const list = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))
const clientRow = z.object({
  id: z.string(), name: z.string(), secret_hash: z.string().nullable(), redirect_uris: list, grants: list, scopes: list, roles: list, created_at: z.number(),
})
const clientColumns = 'id, name, secret_hash, redirect_uris, grants, scopes, roles, created_at'

export type Client = z.output<typeof clientRow>

export const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials'] as const
/** What a client may be told about a person, and `offline_access`: a refresh token. */
export const scopes = ['openid', 'email', 'profile', 'roles', 'offline_access'] as const

export type NewClient = {
  readonly name: string
  /** Has a secret; apps in browsers and on phones have none. */
  readonly confidential: boolean
  readonly redirect_uris: readonly string[]
  readonly grants: readonly string[]
  readonly scopes: readonly string[]
  /** Of tokens from `client_credentials`. */
  readonly roles: readonly string[]
}

export async function findClient(db: Database, id: string): Promise<Client | undefined> {
  const [row] = await db.query(`SELECT ${clientColumns} FROM clients WHERE id = :id`, { id })
  return row === undefined ? undefined : clientRow.parse(row)
}

/** By id. */
export async function listClients(
  db: Database, { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly Client[]> {
  const rows = await db.query(`SELECT ${clientColumns} FROM clients WHERE id > :after ORDER BY id LIMIT :limit`, { after, limit })
  return rows.map((row) => clientRow.parse(row))
}

/** The secret is in the answer, and nowhere else ever. */
export async function createClient(
  { db }: Deps, input: NewClient, by: string, origin: Origin, keep: Keep<ShownClient & { client_secret?: string }> = () => [],
) {
  const errors = input.redirect_uris.flatMap((uri, i) => {
    const problem = redirectUriProblem(uri)
    return problem === undefined ? [] : [{ in: 'body' as const, path: `/redirect_uris/${i}`, detail: problem }]
  })
  if (errors.length > 0) throw new Problem(422, 'unsafe_redirect_uri', 'a redirect URI cannot be accepted', { errors })
  if (!input.confidential && input.grants.includes('client_credentials')) {
    throw new Problem(422, 'needs_secret', 'client_credentials needs a secret', {
      errors: [{ in: 'body', path: '/grants', detail: 'is for confidential clients only' }],
    })
  }
  const id = newId('cli')
  const secret = input.confidential ? newToken('bmc') : undefined
  const client: Client = {
    id, name: input.name, secret_hash: secret === undefined ? null : hashToken(secret), redirect_uris: [...input.redirect_uris],
    grants: [...input.grants], scopes: [...input.scopes], roles: [...input.roles], created_at: origin.nowMs,
  }
  const answer = { ...showClient(client), ...(secret !== undefined && { client_secret: secret }) }
  await db.execute([
    {
      sql: `INSERT INTO clients (${clientColumns}) VALUES (:id, :name, :secret_hash, :redirect_uris, :grants, :scopes, :roles, :created_at)`,
      parameters: {
        id, name: client.name, secret_hash: client.secret_hash, redirect_uris: JSON.stringify(client.redirect_uris),
        grants: JSON.stringify(client.grants), scopes: JSON.stringify(client.scopes), roles: JSON.stringify(client.roles), created_at: client.created_at,
      },
    },
    auditStatement({ event: 'client.created', detail: { by, client: id } }, origin),
    ...keep(answer),
  ])
  return answer
}

export async function deleteClient({ db }: Deps, id: string, by: string, origin: Origin): Promise<void> {
  const done = await db.execute([
    { sql: 'DELETE FROM clients WHERE id = :id', parameters: { id }, changes: 1 },
    { sql: 'DELETE FROM sessions WHERE client_id = :id', parameters: { id } },
    { sql: 'DELETE FROM codes WHERE client_id = :id', parameters: { id } },
    auditStatement({ event: 'client.deleted', detail: { by, client: id } }, origin),
  ])
  if (done === undefined) throw new Problem(404, 'not_found', `there is no client ${id}`)
}

/** In constant time. */
export function isClientSecret(client: Client, secret: string): boolean {
  return client.secret_hash !== null && timingSafeEqual(Buffer.from(client.secret_hash), Buffer.from(hashToken(secret)))
}

type ShownClient = ReturnType<typeof showClient>

export function showClient({ id, name, secret_hash, redirect_uris, grants, scopes: allowed, roles, created_at }: Client) {
  return {
    client_id: id, name, confidential: secret_hash !== null, redirect_uris, grants, scopes: allowed, roles,
    created_at: new Date(created_at).toISOString(),
  }
}

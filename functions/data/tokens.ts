/** Tokens with rights, in a database of the service's own. Only a hash of each is kept: its text is told once. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import type { Right } from './access.ts'
import type { Engine } from './engine/engine.ts'
import { DataError } from './engine/errors.ts'
import type { Migration, SqlValue, Statement } from './engine/types.ts'

export type Grant = { readonly database: string; readonly right: Right }
export type Token = { readonly id: string; readonly label: string; readonly grants: readonly Grant[]; readonly createdAt: string }
export type NewToken = Pick<Token, 'label' | 'grants'>

export type Tokens = {
  /** `undefined` for a text that is no token, or none any more. */
  grantsOf(text: string): Promise<readonly Grant[] | undefined>
  /** Those after `after`, in the order of their ids. */
  list(after: string, limit: number): Promise<readonly Token[]>
  /** Durable when it answers. Twice with the same idempotency key it answers the same token. */
  create(token: NewToken, key?: string): Promise<{ readonly token: Token; readonly text: string }>
  /** Whether there was one. Its text is worth nothing when it answers. */
  revoke(id: string): Promise<boolean>
}

export type TokensDeps = {
  readonly engine: Engine
  /** Makes the texts of tokens that have a key. */
  readonly serviceToken: string
  readonly now: () => Date
}

export const SERVICE_DATABASE = '_service'
const migrations: readonly Migration[] = [{
  id: '1-tokens',
  sql: `CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, label TEXT NOT NULL, grants TEXT NOT NULL, created_at TEXT NOT NULL, revoked_at TEXT
  ) WITHOUT ROWID`,
}]
const TEXT_BYTES = 32
const ID_BYTES = 9
/** Tells people, and scanners of leaked secrets, what it is. */
const PREFIX = 'bramble-data-'
/** Revoked ones are remembered for so long: a late copy of the call that made one must not make it again. */
const TOMB_LIFE_MS = 24 * 60 * 60 * 1000

type Entry = { readonly token: Token; readonly revokedAt: string | undefined }

/** Keeps all of them in memory: every call asks. */
export function createTokens({ engine, serviceToken, now }: TokensDeps): Tokens {
  let loading: Promise<Map<string, Entry>> | undefined

  const load = async (): Promise<Map<string, Entry>> => {
    const byHash = new Map<string, Entry>()
    // None was ever made, or there is nowhere to keep one.
    if (engine.get(SERVICE_DATABASE) === undefined) return byHash
    const { result } = await engine.query(SERVICE_DATABASE, { sql: 'SELECT id, hash, label, grants, created_at, revoked_at FROM tokens' })
    for (const [id, hash, label, grants, createdAt, revokedAt] of result.rows) {
      const token = { id: textOf(id), label: textOf(label), grants: JSON.parse(textOf(grants)), createdAt: textOf(createdAt) }
      byHash.set(textOf(hash), { token, revokedAt: revokedAt === null ? undefined : textOf(revokedAt) })
    }
    return byHash
  }
  const loaded = (): Promise<Map<string, Entry>> => loading ??= load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  /** After a change that failed half-way nobody knows what is kept: it is read again. */
  const change = async (statements: readonly Statement[]): Promise<void> => {
    try {
      await engine.execute(SERVICE_DATABASE, { statements })
    } catch (error) {
      loading = undefined
      throw error
    }
  }

  return {
    async grantsOf(text) {
      const entry = (await loaded()).get(hashOf(text))
      return entry?.revokedAt === undefined ? entry?.token.grants : undefined
    },

    async list(after, limit) {
      const all = [...(await loaded()).values()].flatMap(({ token, revokedAt }) => revokedAt === undefined ? [token] : [])
      return all.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit)
    },

    async create({ label, grants }, key) {
      const byHash = await loaded()
      const secret = key === undefined ? randomBytes(TEXT_BYTES) : createHmac('sha256', serviceToken).update(`token ${key}`).digest()
      const text = PREFIX + secret.toString('base64url')
      const known = byHash.get(hashOf(text))
      if (known !== undefined) return { token: sameAs(known, { label, grants }), text }
      const token: Token = { id: randomBytes(ID_BYTES).toString('hex'), label, grants, createdAt: now().toISOString() }
      await engine.create(SERVICE_DATABASE)
      await engine.migrate(SERVICE_DATABASE, migrations)
      await change([{
        sql: 'INSERT INTO tokens (id, hash, label, grants, created_at) VALUES (?, ?, ?, ?, ?)',
        parameters: [token.id, hashOf(text), label, JSON.stringify(grants), token.createdAt],
      }])
      byHash.set(hashOf(text), { token, revokedAt: undefined })
      return { token, text }
    },

    async revoke(id) {
      const byHash = await loaded()
      const [hash, entry] = [...byHash].find(([, { token, revokedAt }]) => token.id === id && revokedAt === undefined) ?? []
      if (hash === undefined || entry === undefined) return false
      const revokedAt = now().toISOString()
      await change([
        { sql: 'UPDATE tokens SET revoked_at = ? WHERE id = ?', parameters: [revokedAt, id] },
        { sql: 'DELETE FROM tokens WHERE revoked_at < ?', parameters: [new Date(now().getTime() - TOMB_LIFE_MS).toISOString()] },
      ])
      byHash.set(hash, { ...entry, revokedAt })
      return true
    },
  }
}

/** The token that an earlier call with the same key has made. */
function sameAs({ token, revokedAt }: Entry, { label, grants }: NewToken): Token {
  if (token.label !== label || JSON.stringify(token.grants) !== JSON.stringify(grants)) {
    throw new Problem(422, 'key_reused', 'this Idempotency-Key was sent with another call before: take a new one for each call')
  }
  if (revokedAt !== undefined) throw new Problem(409, 'conflict', `the token that this call made was revoked at ${revokedAt}`)
  return token
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function textOf(value: SqlValue | undefined): string {
  if (typeof value === 'string') return value
  throw new DataError('DAMAGED', `the database ${SERVICE_DATABASE} holds something else than tokens: restore it from a backup`)
}

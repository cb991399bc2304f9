/**
 * The signing keys. They lie in the database, sealed with `auth-key`: so they can be rotated without touching a secret, all
 * replicas have the same ones, and neither the database nor the secret alone is enough to forge a token.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import * as z from 'zod'
import { auditStatement } from '../store/audit.ts'
import type { Database, Statement } from '@bramble/runtime/service/database'
import type { Origin } from '../store/origin.ts'
import { deadKeys, dueKey, type KeyTimes, type ScheduledKey, shownKeys, signingKey } from './key-schedule.ts'
import type { Vault } from './vault.ts'

export type SigningKey = { readonly kid: string; readonly privateKey: KeyObject }
export type PublicKey = { readonly kid: string; readonly publicKey: KeyObject }

export type SigningKeys = {
  /** The key that signs now; makes the next one when it is due. */
  current(nowMs: number): Promise<SigningKey>
  /** A key that is shown. One that is not known is looked for in the database, not too often. */
  find(kid: string, nowMs: number): Promise<PublicKey | undefined>
  /** The public keys, as RFC 7517 has them. */
  jwks(nowMs: number): Promise<{ readonly keys: readonly JWK[] }>
  /** A new key that signs at once. `forgetsOld`: the old ones are gone, and all their tokens void; for a key that leaked. */
  rotate(origin: Origin, forgetsOld: boolean): Promise<{ readonly kid: string }>
}

type LoadedKey = ScheduledKey & SigningKey & PublicKey & { readonly jwk: JWK }

/** How old the keys in memory may be: a rotation by another replica is known after so long. */
const CACHE_MS = 30_000
/** Another replica may have made a key just now; but tokens with unknown keys come from attackers too, and must not each cost a query. */
const UNKNOWN_KEY_MS = 2000
const PURPOSE = 'signing key'

const keyRow = z.object({ generation: z.number(), kid: z.string(), public_jwk: z.string(), sealed_jwk: z.string(), active_from: z.number() })
const publicJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() })
const privateJwk = publicJwk.extend({ d: z.string() })

export function createSigningKeys(
  { db, vault, times }: { readonly db: Database; readonly vault: Vault; readonly times: KeyTimes },
): SigningKeys {
  let loaded: { readonly keys: readonly LoadedKey[]; readonly atMs: number } | undefined
  let loading: Promise<readonly LoadedKey[]> | undefined
  let unknownAtMs = 0

  const load = async (nowMs: number): Promise<readonly LoadedKey[]> => {
    const rows = await db.query('SELECT generation, kid, public_jwk, sealed_jwk, active_from FROM signing_keys')
    const keys = rows.map((row) => {
      const { generation, kid, public_jwk, sealed_jwk, active_from } = keyRow.parse(row)
      const secret = privateJwk.parse(JSON.parse(vault.open(PURPOSE, sealed_jwk)))
      return {
        generation, kid, activeFromMs: active_from,
        jwk: { ...publicJwk.parse(JSON.parse(public_jwk)), kid, alg: 'EdDSA', use: 'sig' },
        privateKey: createPrivateKey({ key: secret, format: 'jwk' }),
        publicKey: createPublicKey({ key: publicJwk.parse(secret), format: 'jwk' }),
      }
    })
    loaded = { keys, atMs: nowMs }
    return keys
  }
  const reload = (nowMs: number): Promise<readonly LoadedKey[]> => loading ??= load(nowMs).finally(() => { loading = undefined })

  /** What is being loaded may be from before the change. */
  const reloadChanged = async (nowMs: number): Promise<readonly LoadedKey[]> => {
    await loading?.catch(() => undefined)
    return reload(nowMs)
  }

  /** All that are known, the next one made when it is due. */
  const fresh = async (nowMs: number): Promise<readonly LoadedKey[]> => {
    if (loaded !== undefined && nowMs - loaded.atMs < CACHE_MS && dueKey(loaded.keys, nowMs, times) === undefined) return loaded.keys
    const keys = await reload(nowMs)
    const due = dueKey(keys, nowMs, times)
    if (due === undefined) return keys
    const origin = { address: 'self', userAgent: '', callId: '', nowMs }
    const dead = deadKeys(keys, nowMs, times).map(({ generation }) => generation)
    // Another replica may have made it meanwhile: the generation is the primary key, and one of the two is refused.
    const { statements } = await newKey(due, vault, origin)
    const forget = dead.map((generation) => ({ sql: 'DELETE FROM signing_keys WHERE generation = :generation', parameters: { generation } }))
    await db.execute([...statements, ...forget])
    return reloadChanged(nowMs)
  }

  const rotate = async (origin: Origin, forgetsOld: boolean): Promise<{ readonly kid: string }> => {
    const keys = await reload(origin.nowMs)
    const generation = Math.max(0, ...keys.map((key) => key.generation)) + 1
    const { kid, statements } = await newKey({ generation, activeFromMs: origin.nowMs }, vault, origin)
    const forget: Statement = { sql: 'DELETE FROM signing_keys WHERE generation < :generation', parameters: { generation } }
    const done = await db.execute([...statements, ...forgetsOld ? [forget] : []])
    await reloadChanged(origin.nowMs)
    // Somebody else rotated in the same moment: theirs may be older than the leak, so once more.
    return done === undefined ? rotate(origin, forgetsOld) : { kid }
  }

  return {
    rotate,

    async current(nowMs) {
      const key = signingKey(await fresh(nowMs), nowMs)
      if (key === undefined) throw new Error('there is no key that signs now; is the clock of this machine right?')
      return key
    },

    async find(kid, nowMs) {
      const isKnown = (key: LoadedKey): boolean => key.kid === kid
      const found = shownKeys(await fresh(nowMs), nowMs, times).find(isKnown)
      if (found !== undefined || nowMs - unknownAtMs < UNKNOWN_KEY_MS) return found
      unknownAtMs = nowMs
      return shownKeys(await reloadChanged(nowMs), nowMs, times).find(isKnown)
    },

    async jwks(nowMs) {
      return { keys: shownKeys(await fresh(nowMs), nowMs, times).map(({ jwk }) => jwk) }
    },
  }
}

async function newKey(
  { generation, activeFromMs }: ScheduledKey, vault: Vault, origin: Origin,
): Promise<{ kid: string; statements: Statement[] }> {
  const jwk = privateJwk.parse(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))
  const shown = publicJwk.parse(jwk)
  // RFC 7638: a name that follows from the key.
  const kid = await calculateJwkThumbprint(shown)
  const parameters = {
    generation, kid, public_jwk: JSON.stringify(shown), sealed_jwk: vault.seal(PURPOSE, JSON.stringify(jwk)), active_from: activeFromMs,
  }
  return {
    kid,
    statements: [
      {
        sql: `INSERT INTO signing_keys (generation, kid, public_jwk, sealed_jwk, active_from)
          VALUES (:generation, :kid, :public_jwk, :sealed_jwk, :active_from) ON CONFLICT DO NOTHING`,
        parameters, changes: 1,
      },
      auditStatement({ event: 'signing_key.created', detail: { kid, generation } }, origin),
    ],
  }
}

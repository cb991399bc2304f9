/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a call that is sent again with its key is carried out once,
 * and answered as the first time. Where keys are kept is up to the service; best with what the call changes, in one transaction.
 */
import { createHash } from 'node:crypto'
import { type Answer, json } from './answer.ts'
import { Problem } from './problem.ts'

/** What is kept of a call. */
export type KeptCall = {
  /** Of what was asked for, so that another call under the same key is noticed. */
  readonly fingerprint: string
  readonly status: number
  /** JSON. */
  readonly body: string
}

export type KeyStore = {
  /** `undefined` when the key is new. */
  find(key: string): Promise<KeptCall | undefined>
}

export type IdempotentCall = {
  /** As the header has it; without one the call is simply carried out. */
  readonly key: string | undefined
  /** Keys of different scopes have nothing to do with each other. */
  readonly scope: string
  /** Everything that decides what the call does: its route, its path, its body. */
  readonly request: unknown
  readonly store: KeyStore
  /** Carries it out, and keeps `KeptCall` under the key in the same breath. Given what to keep. */
  run(kept: { readonly key: string; readonly fingerprint: string } | undefined): Promise<Answer>
}

export const MAX_KEY_LENGTH = 128
/** The first of two calls with one key is still under way: when the other may come again. */
const RETRY_AFTER_SECONDS = '1'

/** The header's value, if it is one that may be. */
export function checkKey(key: string | undefined): string | undefined {
  if (key === undefined || (key.length <= MAX_KEY_LENGTH && /^[\x21-\x7e]+$/.test(key))) return key
  const detail = `must be 1 to ${MAX_KEY_LENGTH} visible ASCII characters`
  throw new Problem(400, 'invalid_input', `Idempotency-Key ${detail}`, { errors: [{ in: 'header', path: '/idempotency-key', detail }] })
}

/** Carries out calls with keys, one at a time for each key of a scope. */
export function createIdempotency(): (call: IdempotentCall) => Promise<Answer> {
  const running = new Set<string>()
  return async ({ key: header, scope, request, store, run }) => {
    const key = checkKey(header)
    if (key === undefined) return run(undefined)
    const place = `${scope} ${key}`
    if (running.has(place)) {
      throw new Problem(409, 'key_in_use', 'a call with this Idempotency-Key is under way: wait for it', { headers: { 'retry-after': RETRY_AFTER_SECONDS } })
    }
    running.add(place)
    try {
      const fingerprint = createHash('sha256').update(JSON.stringify(request)).digest('base64url')
      const kept = await store.find(key)
      if (kept === undefined) return await run({ key, fingerprint })
      if (kept.fingerprint !== fingerprint) {
        throw new Problem(422, 'key_reused', 'this Idempotency-Key was sent with another call before: take a new one for each call')
      }
      return { ...json(undefined, kept.status, { 'idempotency-replayed': 'true' }), body: kept.body }
    } finally {
      running.delete(place)
    }
  }
}

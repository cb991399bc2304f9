/** Answers to calls with an `Idempotency-Key`: entries like any other, so they may be forgotten when there is no more room. */
import type { Answer } from '@bramble/runtime/service/answer'
import type { KeptCall, KeyStore } from '@bramble/runtime/service/idempotency'
import { TEXT_TYPE } from './contents.ts'
import { ownSpaceOf } from './space.ts'
import type { Store } from './store.ts'

const KEPT_MS = 600_000

export function keptCalls(store: Store, space: string): KeyStore {
  return {
    async find(key) {
      const entry = await store.get(ownSpaceOf(space), key)
      if (entry === undefined) return undefined
      const [fingerprint = '', status = '', ...body] = Buffer.from(entry.value).toString().split(' ')
      return { fingerprint, status: Number(status), body: body.join(' ') } satisfies KeptCall
    },
  }
}

export async function keepCall(
  store: Store, space: string, { key, fingerprint }: { readonly key: string; readonly fingerprint: string }, { status, body }: Answer,
): Promise<void> {
  const value = Buffer.from(`${fingerprint} ${status} ${String(body)}`)
  await store.update(ownSpaceOf(space), key, () => ({ value, contentType: TEXT_TYPE, freshMs: KEPT_MS, staleMs: 0, tags: [] }))
}

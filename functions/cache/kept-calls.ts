/** Answers to calls with an `Idempotency-Key`: entries like any other, so they may be forgotten when there is no more room. */
import type { Answer } from '@bramble/runtime/service/answer'
import type { KeptCall, KeyStore } from '@bramble/runtime/service/idempotency'
import { TEXT_TYPE } from './contents.ts'
import type { Store } from './store.ts'

const KEPT_MS = 600_000
/** No namespace has a name like this, so no caller can reach them. */
const callsOf = (space: string): string => `\0${space}`

export function keptCalls(store: Store, space: string): KeyStore {
  return {
    async find(key) {
      const entry = await store.get(callsOf(space), key)
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
  await store.update(callsOf(space), key, () => ({ value, contentType: TEXT_TYPE, freshMs: KEPT_MS, staleMs: 0, tags: [] }))
}

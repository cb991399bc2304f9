/**
 * A text that is kept in the cache service: one makes it, the others get the last one meanwhile or wait. A cache that is away costs time
 * only.
 */
import type { Services } from './services.ts'

export type CachedText = {
  /** `isHit`: nobody had to make it. */
  get(person: string, callId: string, make: () => Promise<string>): Promise<{ readonly text: string; readonly isHit: boolean }>
  /** The next one is made anew, and what is being made now is not kept. */
  forget(person: string, callId: string): Promise<void>
}

/** What changes without our doing (a thumbnail is there, a file came by another way) is seen after so long. */
const FRESH_MS = 2_000
const STALE_MS = 600_000
const LEASE_MS = 10_000

export function createCachedText(call: Services, token: string): CachedText {
  const group = (person: string): string => `cache/v1/album/groups/${encodeURIComponent(person)}`
  const at = (person: string): string => `${group(person)}/keys/photos`
  return {
    async get(person, callId, make) {
      const found = await call(`${at(person)}?lease_ms=${LEASE_MS}&wait_ms=${LEASE_MS}`, { token, callId }).catch(() => undefined)
      const lease = found?.headers.get('cache-lease')
      const text = await found?.text().catch(() => undefined)
      if (found?.ok && lease === null && text !== undefined) return { text, isHit: true }
      const made = await make()
      if (typeof lease === 'string') {
        const kept = call(`${at(person)}?ttl_ms=${FRESH_MS}&stale_ms=${STALE_MS}`, {
          method: 'PUT', token, callId, body: made, headers: { 'content-type': 'application/json', 'cache-lease': lease },
        })
        // A lost lease means that there is something newer.
        await kept.then((answer) => answer.body?.cancel()).catch(() => undefined)
      }
      return { text: made, isHit: false }
    },
    async forget(person, callId) {
      await call(group(person), { method: 'DELETE', token, callId }).then((answer) => answer.body?.cancel()).catch(() => undefined)
    },
  }
}

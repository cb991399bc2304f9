/** GET: the value, or who is to fill it. Stale values are shown while one caller makes a new one; of many who miss, one does. */
import { type Answer, type AnswerHeaders, problemAnswer } from '@bramble/runtime/service/answer'
import { etagOf, matchesNone } from '@bramble/runtime/service/etag'
import { notFound } from '@bramble/runtime/service/problem'
import { isFresh } from './contents.ts'
import type { Leases } from './leases.ts'
import type { Entry, Store } from './store.ts'

export type ReadCall = {
  readonly space: string
  readonly key: string
  readonly ifNoneMatch: string | undefined
  readonly leaseMs: number | undefined
  readonly waitMs: number
  readonly signal: () => AbortSignal
}

/** RFC 9211. */
const NAME = 'bramble'
/** The same for every miss. */
const missing = problemAnswer(notFound('there is no such entry here, or no more'))

export function createReader({ store, leases, nowMs }: { readonly store: Store; readonly leases: Leases; readonly nowMs: () => number }) {
  return async ({ space, key, ifNoneMatch, leaseMs, waitMs, signal }: ReadCall): Promise<Answer> => {
    const untilMs = nowMs() + waitMs
    for (;;) {
      const entry = await store.get(space, key)
      if (entry !== undefined && (leaseMs === undefined || isFresh(entry))) return found(entry, ifNoneMatch)
      const lease = leaseMs === undefined ? undefined : leases.take(space, key, leaseMs)
      const more = lease === undefined ? undefined : { 'cache-lease': lease }
      if (entry !== undefined) return found(entry, ifNoneMatch, more)
      const leftMs = untilMs - nowMs()
      if (leaseMs === undefined || lease !== undefined || leftMs <= 0 || !leases.isHeld(space, key) || signal().aborted) {
        return { ...missing, headers: { ...missing.headers, 'cache-status': `${NAME}; fwd=miss`, ...more } }
      }
      await leases.wait(space, key, leftMs, signal())
    }
  }
}

function found(entry: Entry, ifNoneMatch: string | undefined, more?: AnswerHeaders): Answer {
  const etag = etagOf(entry.version)
  const { freshForMs } = entry
  // Seconds, as the RFC has them; below 0 where it is stale.
  const ttl = freshForMs === undefined ? '' : `; ttl=${Math.floor(freshForMs / 1000)}`
  const headers = { etag, 'cache-status': `${NAME}; hit${ttl}`, ...more }
  if (!matchesNone(ifNoneMatch, etag)) return { status: 304, headers }
  return { status: 200, headers: { ...headers, 'content-type': entry.contentType }, body: entry.value }
}

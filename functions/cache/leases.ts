/**
 * Who fills an entry: of many who miss it, one. The others wait until it is there, or until the one has had its time.
 * A lease ends when anything happens to the entry, so what was computed from old data is not stored after an invalidation.
 */
import { randomBytes } from 'node:crypto'

export type Leases = {
  /** The token of the one who is to fill it; `undefined` while somebody else is, or when too many are held. */
  take(space: string, key: string, forMs: number): string | undefined
  isHeld(space: string, key: string): boolean
  /** Whether it has been neither ended nor outlived. */
  isCurrent(space: string, key: string, token: string): boolean
  /** Something has become of the entry: all who wait look again. */
  end(space: string, key: string): void
  endAll(space: string): void
  /** Ends all that are not kept. */
  retain(isKept: (space: string, key: string) => boolean): void
  /** Resolves when it is worth looking again, at once when too many wait, and in the end after `forMs`. */
  wait(space: string, key: string, forMs: number, signal: AbortSignal): Promise<void>
  held(): number
  waiting(): number
}

/** A lease and who waits for it, about 1 KB each: 10 MB at worst. */
const MAX_LEASES = 5_000
const MAX_WAITING = 5_000
const TOKEN_BYTES = 12

type Lease = { readonly token: string; readonly untilMs: number; readonly waiters: Set<() => void> }

export function createLeases({ nowMs }: { readonly nowMs: () => number }): Leases {
  /** By space, then by key. */
  const leases = new Map<string, Map<string, Lease>>()
  let held = 0
  let waiting = 0

  const find = (space: string, key: string): Lease | undefined => {
    const lease = leases.get(space)?.get(key)
    if (lease === undefined || lease.untilMs > nowMs()) return lease
    end(space, key)
    return undefined
  }

  const end = (space: string, key: string): void => {
    const all = leases.get(space)
    const lease = all?.get(key)
    if (all === undefined || lease === undefined) return
    all.delete(key)
    held--
    if (all.size === 0) leases.delete(space)
    for (const wake of [...lease.waiters]) wake()
  }

  /** Those that nobody asked about again. */
  const endOutlived = (): void => {
    for (const [space, all] of leases) for (const key of [...all.keys()]) find(space, key)
  }

  return {
    take(space, key, forMs) {
      if (find(space, key) !== undefined) return undefined
      if (held >= MAX_LEASES) endOutlived()
      if (held >= MAX_LEASES) return undefined
      const lease: Lease = { token: randomBytes(TOKEN_BYTES).toString('base64url'), untilMs: nowMs() + forMs, waiters: new Set() }
      const all = leases.get(space) ?? new Map<string, Lease>()
      leases.set(space, all)
      all.set(key, lease)
      held++
      return lease.token
    },
    isHeld: (space, key) => find(space, key) !== undefined,
    isCurrent: (space, key, token) => find(space, key)?.token === token,
    end,
    endAll(space) {
      for (const key of [...leases.get(space)?.keys() ?? []]) end(space, key)
    },
    retain(isKept) {
      for (const [space, all] of leases) for (const key of [...all.keys()]) if (!isKept(space, key)) end(space, key)
    },
    async wait(space, key, forMs, signal) {
      const lease = find(space, key)
      if (lease === undefined || waiting >= MAX_WAITING || signal.aborted) return
      waiting++
      const { promise, resolve } = Promise.withResolvers<void>()
      lease.waiters.add(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      const timer = setTimeout(resolve, Math.min(forMs, Math.max(0, lease.untilMs - nowMs()) + 1))
      await promise
      clearTimeout(timer)
      lease.waiters.delete(resolve)
      waiting--
    },
    held: () => held,
    waiting: () => waiting,
  }
}

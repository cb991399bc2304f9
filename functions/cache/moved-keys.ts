/**
 * Drops what has moved away: when replicas come or go, the gateway looks for some keys elsewhere. What stayed here would be old by the
 * time it comes back. The gateway says with each call which places there are, so a change is heard with the next one.
 */
import { log } from '@bramble/runtime'
import type { Leases } from './leases.ts'
import { type Placement, placeOf, readPlacement } from './placement.ts'
import { isOwn, partsOf } from './space.ts'
import type { Store } from './store.ts'

export type MovedKeysDeps = { readonly store: Pick<Store, 'retain'>; readonly leases: Pick<Leases, 'retain'> }

/** Given the header of each call. */
export function createMovedKeys({ store, leases }: MovedKeysDeps): (header: string) => void {
  let told: string | undefined
  let known: Placement | undefined
  /** In the order in which they were told. */
  const pending = new Set<Placement>()
  let isDropping = false

  const isHere = ({ place, places }: Placement, space: string, key: string): boolean => placeOf(partsOf(space, key), places) === place

  const dropMoved = async (placement: Placement): Promise<void> => {
    const dropped = await store.retain((space, key) => isOwn(space) || isHere(placement, space, key))
    log.info('replicas have changed', { ...placement, dropped })
  }

  /** One at a time; what is told meanwhile comes after, all of it: what was elsewhere for a moment only is old, too. */
  const follow = async (): Promise<void> => {
    isDropping = true
    try {
      for (const placement of pending) {
        pending.delete(placement)
        await dropMoved(placement)
      }
    } catch (error) {
      log.error('what has moved away could not be dropped', { error })
    } finally {
      isDropping = false
    }
  }

  return (header) => {
    if (header === told) return
    told = header
    const placement = readPlacement(header)
    if (placement === undefined) return
    const before = known ?? placement
    known = placement
    // At once, before the call that tells of it goes on. Those of keys that come here were taken when the key was elsewhere.
    leases.retain((space, key) => isHere(before, space, key) && isHere(placement, space, key))
    pending.add(placement)
    if (!isDropping) void follow()
  }
}

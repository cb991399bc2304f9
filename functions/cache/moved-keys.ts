/**
 * Drops what has moved away: when replicas come or go, the gateway looks for some keys elsewhere. What stayed here would be old by the
 * time it comes back. The gateway says with each call which places there are, so a change is heard with the next one.
 */
import { log } from '@bramble/runtime'
import { placeOf, readPlacement } from './placement.ts'
import { isOwn, partsOf } from './space.ts'
import type { Store } from './store.ts'

/** Given the header of each call. */
export function createMovedKeys(store: Pick<Store, 'retain'>): (header: string) => void {
  let known: string | undefined
  let isDropping = false

  const dropMoved = async (): Promise<void> => {
    isDropping = true
    try {
      for (let before: string | undefined; known !== before;) {
        before = known
        const placement = before === undefined ? undefined : readPlacement(before)
        if (placement === undefined) continue
        const { place, places } = placement
        const dropped = await store.retain((space, key) => isOwn(space) || placeOf(partsOf(space, key), places) === place)
        log.info('replicas have changed', { place, places, dropped })
      }
    } catch (error) {
      log.error('what has moved away could not be dropped', { error })
    } finally {
      isDropping = false
    }
  }

  return (header) => {
    if (header === known) return
    known = header
    if (!isDropping) void dropMoved()
  }
}

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
  let told: string | undefined
  let isDropping = false

  const dropMoved = async (header: string): Promise<void> => {
    const placement = readPlacement(header)
    if (placement === undefined) return
    const { place, places } = placement
    const dropped = await store.retain((space, key) => isOwn(space) || placeOf(partsOf(space, key), places) === place)
    log.info('replicas have changed', { place, places, dropped })
  }

  /** One at a time; what is told meanwhile comes after. */
  const follow = async (): Promise<void> => {
    isDropping = true
    try {
      for (let done: string | undefined; told !== undefined && told !== done;) {
        done = told
        await dropMoved(done)
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
    if (!isDropping) void follow()
  }
}

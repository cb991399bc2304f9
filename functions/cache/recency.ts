/** A list in the order of use, threaded through its members: every step costs the same however many there are. */

type Linked<T> = { older: T | undefined; newer: T | undefined }

export type Recency<T extends Linked<T>> = {
  /** The one that was used longest ago. */
  oldest(): T | undefined
  add(one: T): void
  /** It was used now. */
  touch(one: T): void
  remove(one: T): void
}

export function createRecency<T extends Linked<T>>(): Recency<T> {
  let oldest: T | undefined
  let newest: T | undefined

  const add = (one: T): void => {
    one.older = newest
    one.newer = undefined
    if (newest === undefined) oldest = one
    else newest.newer = one
    newest = one
  }
  const remove = (one: T): void => {
    if (one.older === undefined) oldest = one.newer
    else one.older.newer = one.newer
    if (one.newer === undefined) newest = one.older
    else one.newer.older = one.older
    one.older = one.newer = undefined
  }
  return {
    oldest: () => oldest,
    add,
    remove,
    touch(one) {
      if (one === newest) return
      remove(one)
      add(one)
    },
  }
}

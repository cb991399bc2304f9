/** User ids, one per function, when the platform is root: no two functions ever share one. */
import { BrambleError } from '../../lib/errors.ts'

export type Users = {
  /** Takes the id a function had before, if it is one that may be given out. */
  claim(user: number): void
  has(user: number): boolean
  take(): number
  giveBack(user: number): void
}

/** In turn, so that an id rests before it is used again. */
export function createUsers({ first, last }: { first: number; last: number }): Users {
  const taken = new Set<number>()
  let next = first

  return {
    claim(user) {
      if (user < first || user > last) return
      taken.add(user)
      if (user >= next) next = user === last ? first : user + 1
    },
    has: (user) => taken.has(user),
    take() {
      for (let tries = first; tries <= last; tries++) {
        const user = next
        next = next === last ? first : next + 1
        if (!taken.has(user)) {
          taken.add(user)
          return user
        }
      }
      throw new BrambleError('UNAVAILABLE', `all user ids from ${first} to ${last} are taken: remove functions`)
    },
    giveBack(user) { taken.delete(user) },
  }
}

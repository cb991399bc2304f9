/** How many of the ends that wait to be kept go into one transaction. */
import type { Finish } from '../store/finish.ts'

/** Up to 6 statements each. With 203 for what is taken of all queues, and the plan, a transaction has 1000 at most. */
const MAX_KEPT = 100
/** Characters of them, up to 3 bytes each: a call of the data service has 8 MiB. */
const MAX_KEPT_LENGTH = 2_000_000

/** Takes them out of `ended`, from its beginning; at least one, where there is one. */
export function keepAtOnce<T extends { readonly finish: Finish }>(ended: T[]): readonly T[] {
  let length = 0
  const tooMany = ended.findIndex(({ finish }, i) => i >= MAX_KEPT || ((length += JSON.stringify(finish).length) > MAX_KEPT_LENGTH && i > 0))
  return ended.splice(0, tooMany === -1 ? ended.length : tooMany)
}

/** Numbers that look random and are the same each time. */
export type Random = {
  /** Whole, from 0 to `below` - 1. */
  below(below: number): number
  pick<T>(list: readonly [T, ...T[]]): T
  bytes(length: number): Buffer
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    below: (below) => next() % below,
    pick: (list) => list[next() % list.length] ?? list[0],
    bytes(length) {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; at++) bytes[at] = next()
      return bytes
    },
  }
}

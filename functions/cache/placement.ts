/**
 * Where the gateway looks for a key: the rendezvous hashing of `bramble/affinity`, as its documentation has it. A test compares the two.
 */

/** The header that the gateway sends along, where the function has an affinity. */
export const PLACE_HEADER = 'x-bramble-place'

export type Placement = {
  /** Of this replica. */
  readonly place: number
  /** Of all replicas. */
  readonly places: readonly number[]
}

/** What is hashed are the namespace, and the key or the group: with any other affinity nothing can be said. */
const AFFINITY = 'path:2,4'
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const GOLDEN = 0x9e3779b1

/** `undefined` for what is not such a header. */
export function readPlacement(header: string): Placement | undefined {
  const [, affinity, place, places] = /^(\S+) (\d{1,4})\/(\d{1,4}(?:,\d{1,4})*)$/.exec(header) ?? []
  if (affinity !== AFFINITY || place === undefined || places === undefined) return undefined
  return { place: Number(place), places: places.split(',').map(Number) }
}

/** The heaviest place has the key. `parts` are the segments of the path, decoded. */
export function placeOf(parts: readonly string[], places: readonly number[]): number {
  const hash = hashOf(parts)
  let best = 0
  let bestWeight = -1
  for (const place of places) {
    const weight = mixed(hash ^ mixed(Math.imul(place + 1, GOLDEN)))
    if (weight <= bestWeight) continue
    best = place
    bestWeight = weight
  }
  return best
}

/** FNV-1a over UTF-16 units, of each part with a slash before it. */
function hashOf(parts: readonly string[]): number {
  let hash = FNV_OFFSET
  const add = (unit: number): void => {
    hash = Math.imul(hash ^ (unit & 0xff), FNV_PRIME)
    hash = Math.imul(hash ^ (unit >>> 8), FNV_PRIME)
  }
  for (const part of parts) {
    add(SLASH)
    for (let i = 0; i < part.length; i++) add(part.charCodeAt(i))
  }
  return hash
}

const SLASH = 47

/** The last step of MurmurHash3, from 0 to 2^32 - 1. */
function mixed(number: number): number {
  let h = number
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

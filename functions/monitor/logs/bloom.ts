/** Which words a block may have: a word that is in it is always found, one of a hundred others is taken for one that is. Pure. */

const BITS_PER_WORD = 10
/** The best number for ten bits. */
const PROBES = 7
const FIRST = 0x811c9dc5
const SECOND = 0x9e3779b9

export function bloomOf(words: ReadonlySet<string>): Buffer {
  const bloom = Buffer.alloc(Math.ceil(words.size * BITS_PER_WORD / 8))
  for (const word of words) for (const bit of bitsOf(word, bloom.length * 8)) bloom[bit >> 3] = (bloom[bit >> 3] ?? 0) | 1 << (bit & 7)
  return bloom
}

export function mayHave(bloom: Buffer, word: string): boolean {
  return bloom.length > 0 && bitsOf(word, bloom.length * 8).every((bit) => ((bloom[bit >> 3] ?? 0) & 1 << (bit & 7)) !== 0)
}

function bitsOf(word: string, bits: number): readonly number[] {
  const bytes = Buffer.from(word)
  const [one, other] = [fnv(bytes, FIRST), fnv(bytes, SECOND) | 1]
  return Array.from({ length: PROBES }, (_, i) => (one + Math.imul(i, other) >>> 0) % bits)
}

function fnv(bytes: Uint8Array, seed: number): number {
  let hash = seed
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2c1b3c6d) >>> 0
}

/** What a block says of itself, whatever its items are. Pure. */

export type Head<Meta> = {
  /** Of the tail that it was made of; rises. */
  readonly number: number
  readonly count: number
  readonly rawBytes: number
  readonly keys: readonly string[]
  readonly meta: Meta
}

/** Throws for what is none. */
export function parseHead<Meta>(value: unknown, parseMeta: (value: unknown) => Meta): Head<Meta> {
  if (typeof value !== 'object' || value === null || !('number' in value) || !('count' in value) || !('rawBytes' in value) || !('keys' in value) || !('meta' in value)) {
    throw new Error('this is no head of a block')
  }
  const { number, count, rawBytes, keys, meta } = value
  if (typeof number !== 'number' || typeof count !== 'number' || typeof rawBytes !== 'number' || !Array.isArray(keys)) throw new Error('this is no head of a block')
  return { number, count, rawBytes, keys: keys.map(String), meta: parseMeta(meta) }
}

/** A record of the tail: the key that it was sent with, and its items. Pure. */

const RECORD_HEAD_BYTES = 2

export function recordOf(key: string, items: Buffer): Buffer {
  const keyBytes = Buffer.from(key)
  const head = Buffer.alloc(RECORD_HEAD_BYTES)
  head.writeUInt16LE(keyBytes.length)
  return Buffer.concat([head, keyBytes, items])
}

/** An empty key is none. */
export function partsOf(record: Buffer): { readonly key: string; readonly items: Buffer } {
  const end = RECORD_HEAD_BYTES + record.readUInt16LE(0)
  return { key: record.toString('utf8', RECORD_HEAD_BYTES, end), items: record.subarray(end) }
}

/**
 * A block as it lies in a segment: what is needed to find it (head, as JSON), what is needed to leave it out (index), and the
 * compressed rest, which only who needs it reads. Pure.
 */
import { crc32 } from 'node:zlib'

export type BlockPlace = {
  readonly offset: number
  readonly headBytes: number
  readonly indexBytes: number
  readonly bodyBytes: number
  readonly bodyCrc: number
}

export const FIXED_BYTES = 24
export const MAGIC = Buffer.from('BrM1')
/** Larger ones are none: a damaged length must not ask for gigabytes. */
const MAX_PART_BYTES = 64 * 2 ** 20

export function blockFrameOf(head: Buffer, index: Buffer, body: Buffer): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES)
  MAGIC.copy(fixed)
  fixed.writeUInt32LE(head.length, 4)
  fixed.writeUInt32LE(index.length, 8)
  fixed.writeUInt32LE(body.length, 12)
  fixed.writeUInt32LE(crc32(body), 16)
  fixed.writeUInt32LE(headCrcOf(fixed, head, index), 20)
  return Buffer.concat([fixed, head, index, body])
}

/** `undefined` for bytes that are no beginning of a block. */
export function placeOf(fixed: Buffer, offset: number): BlockPlace | undefined {
  if (fixed.length < FIXED_BYTES || !fixed.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const [headBytes, indexBytes, bodyBytes] = [fixed.readUInt32LE(4), fixed.readUInt32LE(8), fixed.readUInt32LE(12)]
  if (headBytes > MAX_PART_BYTES || indexBytes > MAX_PART_BYTES || bodyBytes > MAX_PART_BYTES) return undefined
  return { offset, headBytes, indexBytes, bodyBytes, bodyCrc: fixed.readUInt32LE(16) }
}

export function isHeadWhole(fixed: Buffer, head: Buffer, index: Buffer): boolean {
  return headCrcOf(fixed, head, index) === fixed.readUInt32LE(20)
}

export function isBodyWhole(place: BlockPlace, body: Buffer): boolean {
  return body.length === place.bodyBytes && crc32(body) === place.bodyCrc
}

export function endOf({ offset, headBytes, indexBytes, bodyBytes }: BlockPlace): number {
  return offset + FIXED_BYTES + headBytes + indexBytes + bodyBytes
}

function headCrcOf(fixed: Buffer, head: Buffer, index: Buffer): number {
  return crc32(index, crc32(head, crc32(fixed.subarray(4, 20))))
}

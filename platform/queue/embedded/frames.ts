/**
 * How records lie in a segment: a mark, the length, two checksums, the payload. The checksums begin with the segment's
 * salt, which no caller knows: bytes of a body that look like a record are never taken for one, wherever a search begins.
 */
import { crc32 } from 'node:zlib'

/** Mark, length, checksum of the payload, checksum of the twelve bytes before it; four bytes each. */
export const FRAME_HEAD_BYTES = 16
const MARK = Buffer.from([0xf5, 0x42, 0x71, 0x0a])

export type Found =
  | { readonly kind: 'record'; readonly offset: number; readonly length: number; readonly payload: Buffer }
  /** Bytes that are no record, up to the next one or the end. */
  | { readonly kind: 'damage'; readonly offset: number; readonly length: number; readonly isAtEnd: boolean }

/** A record of these parts, as one buffer. */
export function frame(parts: readonly Uint8Array[], salt: number): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length)
  let at = FRAME_HEAD_BYTES
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  MARK.copy(bytes)
  bytes.writeUInt32LE(length, 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(FRAME_HEAD_BYTES), salt), 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12), salt), 12)
  return bytes
}

/** The payload of the record that fills `bytes`; `undefined` when it is damaged. */
export function unframe(bytes: Buffer, salt: number): Buffer | undefined {
  if (frameLength(bytes, 0, salt) !== bytes.length) return undefined
  const payload = bytes.subarray(FRAME_HEAD_BYTES)
  return crc32(payload, salt) === bytes.readUInt32LE(8) ? payload : undefined
}

/** Everything in a segment, in order; damage is told and stepped over. */
export function* scanFrames(bytes: Buffer, salt: number): Generator<Found> {
  let at = 0
  let damagedFrom: number | undefined
  while (at < bytes.length) {
    const length = frameLength(bytes, at, salt)
    const payload = length === undefined ? undefined : unframe(bytes.subarray(at, at + length), salt)
    if (length === undefined || payload === undefined) {
      damagedFrom ??= at
      // A sound head tells where the next record begins, even when the payload is lost.
      const next = length === undefined ? bytes.indexOf(MARK, at + 1) : at + length
      at = next < 0 ? bytes.length : next
      continue
    }
    if (damagedFrom !== undefined) yield { kind: 'damage', offset: damagedFrom, length: at - damagedFrom, isAtEnd: false }
    damagedFrom = undefined
    yield { kind: 'record', offset: at, length, payload }
    at += length
  }
  if (damagedFrom !== undefined) yield { kind: 'damage', offset: damagedFrom, length: bytes.length - damagedFrom, isAtEnd: true }
}

/** How long the record at `at` is, head included; `undefined` when there is no whole one. */
function frameLength(bytes: Buffer, at: number, salt: number): number | undefined {
  if (at + FRAME_HEAD_BYTES > bytes.length || bytes.compare(MARK, 0, MARK.length, at, at + MARK.length) !== 0) return undefined
  if (crc32(bytes.subarray(at, at + 12), salt) !== bytes.readUInt32LE(at + 12)) return undefined
  const length = FRAME_HEAD_BYTES + bytes.readUInt32LE(at + 4)
  return at + length > bytes.length ? undefined : length
}

/**
 * How records lie in a segment of the log: frames, each written in one go and synced before the next one. A frame is a mark, the length
 * of its payload, two checksums and the records. The checksums begin with the segment's salt, which nobody outside knows: no content of a
 * database is ever taken for a frame.
 */
import { crc32 } from 'node:zlib'
import type { LogRecord } from './log.ts'

/** Mark, length, checksum of the payload, checksum of the twelve bytes before it; four bytes each. */
export const FRAME_HEAD_BYTES = 16
/** Length of the changes, number, time. */
const RECORD_HEAD_BYTES = 20
const MARK = Buffer.from([0xf5, 0x44, 0x62, 0x0a])

/** One frame, in parts. */
export function encodeFrame(records: readonly LogRecord[], salt: number): Buffer[] {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  const parts: Buffer[] = [head]
  let length = 0
  let sum = salt
  const add = (part: Buffer): void => {
    parts.push(part)
    length += part.length
    sum = crc32(part, sum)
  }
  for (const { record, timeMs, changes } of records) {
    const recordHead = Buffer.allocUnsafe(RECORD_HEAD_BYTES)
    recordHead.writeUInt32LE(changes.length, 0)
    recordHead.writeDoubleLE(record, 4)
    recordHead.writeDoubleLE(timeMs, 12)
    add(recordHead)
    add(Buffer.from(changes.buffer, changes.byteOffset, changes.byteLength))
  }
  MARK.copy(head)
  head.writeUInt32LE(length, 4)
  head.writeUInt32LE(sum, 8)
  head.writeUInt32LE(crc32(head.subarray(0, 12), salt), 12)
  return parts
}

export type Scan = {
  readonly records: readonly LogRecord[]
  /** Where the last whole frame ends. */
  readonly end: number
  /**
   * What comes behind it. `clean`: nothing but zeros. `torn`: something, but no whole frame: the last write, which nobody was told of. `damaged`: a whole
   * frame further on, so what lies between was whole once.
   */
  readonly tail: 'clean' | 'torn' | 'damaged'
}

export function scanFrames(bytes: Buffer, salt: number): Scan {
  const records: LogRecord[] = []
  let end = 0
  for (let payload = payloadAt(bytes, 0, salt); payload !== undefined; payload = payloadAt(bytes, end, salt)) {
    decodeRecords(payload, records)
    end += FRAME_HEAD_BYTES + payload.length
  }
  if (!bytes.subarray(end).some((byte) => byte !== 0)) return { records, end, tail: 'clean' }
  for (let at = bytes.indexOf(MARK, end + 1); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
    if (payloadAt(bytes, at, salt) !== undefined) return { records, end, tail: 'damaged' }
  }
  return { records, end, tail: 'torn' }
}

function payloadAt(bytes: Buffer, at: number, salt: number): Buffer | undefined {
  const start = at + FRAME_HEAD_BYTES
  if (start > bytes.length || bytes.compare(MARK, 0, MARK.length, at, at + MARK.length) !== 0) return undefined
  if (crc32(bytes.subarray(at, at + 12), salt) !== bytes.readUInt32LE(at + 12)) return undefined
  const length = bytes.readUInt32LE(at + 4)
  if (start + length > bytes.length) return undefined
  const payload = bytes.subarray(start, start + length)
  return crc32(payload, salt) === bytes.readUInt32LE(at + 8) ? payload : undefined
}

function decodeRecords(payload: Buffer, records: LogRecord[]): void {
  for (let at = 0; at < payload.length;) {
    const start = at + RECORD_HEAD_BYTES
    const length = payload.readUInt32LE(at)
    records.push({ record: payload.readDoubleLE(at + 4), timeMs: payload.readDoubleLE(at + 12), changes: payload.subarray(start, start + length) })
    at = start + length
  }
}

/** Records of the tail: length, checksum, bytes. What does not fit together at the end was torn by a kill. */
import { crc32 } from 'node:zlib'

const HEAD_BYTES = 8
/** Far beyond what one push may hold. */
const MAX_RECORD_BYTES = 64 * 2 ** 20

export function frameOf(record: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + record.length)
  frame.writeUInt32LE(record.length, 0)
  frame.writeUInt32LE(crc32(record), 4)
  record.copy(frame, HEAD_BYTES)
  return frame
}

/** The whole records from the beginning, and how many bytes they take. */
export function framesIn(bytes: Buffer): { readonly records: readonly Buffer[]; readonly wholeBytes: number } {
  const records: Buffer[] = []
  let at = 0
  while (at + HEAD_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(at)
    const end = at + HEAD_BYTES + length
    // Zeros are what a power cut leaves, and their checksum is right.
    if (length === 0 || length > MAX_RECORD_BYTES || end > bytes.length) break
    const record = bytes.subarray(at + HEAD_BYTES, end)
    if (crc32(record) !== bytes.readUInt32LE(at + 4)) break
    records.push(record)
    at = end
  }
  return { records, wholeBytes: at }
}

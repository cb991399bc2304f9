/**
 * What a commit changed in the file, as bytes: pieces of new content, each after its offset and length, and cuts of the
 * length. Read back in order they make of the file before it the file after it, exactly; twice is as good as once.
 */

const HEAD_BYTES = 8
/** In the place of an offset: the length that follows is the file's new one. */
const CUT = 0xffff_ffff
const FIRST_BYTES = 16 * 1024

export type ChangeWriter = {
  piece(offset: number, bytes: Uint8Array): void
  cut(size: number): void
  readonly bytes: number
  /** A copy of what was written so far; the writer is empty afterwards. */
  take(): Uint8Array<ArrayBuffer>
  clear(): void
}

export function createChangeWriter(): ChangeWriter {
  let buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  let end = 0
  const reserve = (bytes: number): void => {
    if (end + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(end + bytes, buffer.length * 2))
    buffer.copy(larger, 0, 0, end)
    buffer = larger
  }
  const clear = (): void => {
    end = 0
    // A large transaction must not hold its size for ever.
    if (buffer.length > 64 * FIRST_BYTES) buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }
  return {
    get bytes() { return end },
    piece(offset, bytes) {
      reserve(HEAD_BYTES + bytes.length)
      buffer.writeUInt32LE(offset, end)
      buffer.writeUInt32LE(bytes.length, end + 4)
      buffer.set(bytes, end + HEAD_BYTES)
      end += HEAD_BYTES + bytes.length
    },
    cut(size) {
      reserve(HEAD_BYTES)
      buffer.writeUInt32LE(CUT, end)
      buffer.writeUInt32LE(size, end + 4)
      end += HEAD_BYTES
    },
    take() {
      const taken = new Uint8Array(buffer.subarray(0, end))
      clear()
      return taken
    },
    clear,
  }
}

export type ChangeReader = { piece(offset: number, bytes: Uint8Array): void; cut(size: number): void }

/** Throws a RangeError when they are not whole. */
export function readChanges(changes: Uint8Array, reader: ChangeReader): void {
  const view = new DataView(changes.buffer, changes.byteOffset, changes.byteLength)
  for (let at = 0; at < changes.length;) {
    const offset = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    at += HEAD_BYTES
    if (offset === CUT) {
      reader.cut(length)
      continue
    }
    if (at + length > changes.length) throw new RangeError('a piece of a change goes past its end')
    reader.piece(offset, changes.subarray(at, at + length))
    at += length
  }
}

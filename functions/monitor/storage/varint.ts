/** Whole numbers of as many bytes as they need (LEB128, up to 2^53), and bytes that are written one after the other. */

export type ByteWriter = {
  uint(value: number): void
  /** May be below 0: small ones of both signs are short. */
  int(value: number): void
  float(value: number): void
  byte(value: number): void
  bytes(value: Uint8Array): void
  /** With its length before it. */
  text(value: string): void
  finish(): Buffer
}

export type ByteReader = {
  uint(): number
  int(): number
  float(): number
  byte(): number
  bytes(length: number): Buffer
  text(): string
  readonly isAtEnd: () => boolean
}

const FIRST_BYTES = 1024
const MAX_VARINT_BYTES = 8
const FLOAT_BYTES = 8

export function createWriter(): ByteWriter {
  let buffer = Buffer.allocUnsafe(FIRST_BYTES)
  let at = 0
  const room = (bytes: number): void => {
    if (at + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, at + bytes))
    buffer.copy(larger, 0, 0, at)
    buffer = larger
  }
  const uint = (value: number): void => {
    room(MAX_VARINT_BYTES)
    let rest = value
    while (rest >= 0x80) {
      buffer[at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    buffer[at++] = rest
  }
  const bytes = (value: Uint8Array): void => {
    room(value.length)
    buffer.set(value, at)
    at += value.length
  }
  return {
    uint, bytes,
    int: (value) => uint(value < 0 ? -value * 2 - 1 : value * 2),
    float(value) {
      room(FLOAT_BYTES)
      at = buffer.writeDoubleLE(value, at)
    },
    byte(value) {
      room(1)
      buffer[at++] = value
    },
    text(value) {
      const length = Buffer.byteLength(value)
      uint(length)
      room(length)
      at += buffer.write(value, at)
    },
    finish: () => buffer.subarray(0, at),
  }
}

/** Throws `RangeError` when the bytes end too early. */
export function createReader(buffer: Buffer): ByteReader {
  let at = 0
  const need = (length: number): void => {
    if (length < 0 || at + length > buffer.length) throw new RangeError('the bytes end too early')
  }
  const uint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      need(1)
      const byte = buffer[at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      if (scale > Number.MAX_SAFE_INTEGER) throw new RangeError('a number is too long')
    }
  }
  const bytes = (length: number): Buffer => {
    need(length)
    at += length
    return buffer.subarray(at - length, at)
  }
  return {
    uint, bytes,
    int() {
      const value = uint()
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    },
    float: () => bytes(FLOAT_BYTES).readDoubleLE(),
    byte: () => bytes(1)[0] ?? 0,
    text: () => bytes(uint()).toString(),
    isAtEnd: () => at >= buffer.length,
  }
}

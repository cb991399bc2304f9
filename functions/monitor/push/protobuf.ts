/** The wire format of Protocol Buffers, as much of it as is needed here: varints, fixed 64 bits, bytes. Pure. */

export type ProtoField = { readonly number: number; readonly value: bigint | Buffer }

const MAX_DEPTH_BYTES = 64 * 2 ** 20

/** The fields of a message in order; fixed 32 and 64 bits come as their bytes. Throws `RangeError` for what is no message. */
export function* fieldsOfMessage(bytes: Buffer): Generator<ProtoField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new RangeError('the message ends too early')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }
  const part = (length: number): Buffer => {
    if (length > MAX_DEPTH_BYTES || at + length > bytes.length) throw new RangeError('the message ends too early')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = varint()
    const number = Number(key >> 3n)
    const type = Number(key & 7n)
    if (number === 0) throw new RangeError('a field has no number')
    if (type === 0) yield { number, value: varint() }
    else if (type === 1) yield { number, value: part(8) }
    else if (type === 2) yield { number, value: part(Number(varint())) }
    else if (type === 5) yield { number, value: part(4) }
    else throw new RangeError(`a field has the type ${type}, which is none`)
  }
}

/** Of a field that holds bytes. Throws `RangeError` for a number. */
export function bytesOf({ value }: ProtoField): Buffer {
  if (typeof value === 'bigint') throw new RangeError('a field holds a number instead of bytes')
  return value
}

/** Of a field that is a varint; a negative one comes as it is sent, as 64 bits without a sign. Throws `RangeError` for bytes. */
export function varintOf({ value }: ProtoField): bigint {
  if (typeof value !== 'bigint') throw new RangeError('a field holds bytes instead of a number')
  return value
}

/** Of a field of fixed 64 bits: eight bytes. */
export function fixed64Of(field: ProtoField): Buffer {
  const bytes = bytesOf(field)
  if (bytes.length !== 8) throw new RangeError(`a field of 8 bytes has ${bytes.length}`)
  return bytes
}

export function textOf(field: ProtoField): string {
  return bytesOf(field).toString()
}

export function varintBytes(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

export function bytesField(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([varintBytes(BigInt(number << 3 | 2)), varintBytes(BigInt(value.length)), value])
}

export function varintField(number: number, value: bigint): Buffer {
  return Buffer.concat([varintBytes(BigInt(number << 3)), varintBytes(value)])
}

export function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([varintBytes(BigInt(number << 3 | 1)), bytes])
}

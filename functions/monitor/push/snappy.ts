/** Snappy's block format: a length, then literals and copies of what came before. Pure. */

/** Throws `RangeError` for what is no such block or would be larger than `maxBytes`. */
export function unsnap(input: Buffer, maxBytes: number): Buffer {
  let at = 0
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++]
    if (byte === undefined || shift > 28) throw new RangeError('the length cannot be read')
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (length > maxBytes) throw new RangeError(`it would be larger than ${maxBytes} bytes`)
  const output = Buffer.alloc(length)
  let done = 0
  const little = (bytes: number): number => {
    if (at + bytes > input.length) throw new RangeError('the block ends too early')
    at += bytes
    return input.readUIntLE(at - bytes, bytes)
  }
  while (at < input.length) {
    const tag = input[at++] ?? 0
    if ((tag & 3) === 0) {
      const short = tag >> 2
      const size = (short < 60 ? short : little(short - 59)) + 1
      if (at + size > input.length || done + size > length) throw new RangeError('a literal is longer than there is')
      input.copy(output, done, at, at + size)
      at += size
      done += size
      continue
    }
    const size = (tag & 3) === 1 ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1
    const offset = (tag & 3) === 1 ? (tag >> 5) * 256 + little(1) : little((tag & 3) === 2 ? 2 : 4)
    if (offset === 0 || offset > done || done + size > length) throw new RangeError('a copy begins before the beginning')
    // One byte after the other: it may copy what it has just written.
    for (let i = 0; i < size; i++) output[done + i] = output[done + i - offset] ?? 0
    done += size
  }
  if (done !== length) throw new RangeError('it is shorter than it says')
  return output
}

const MIN_MATCH = 4
const MAX_COPY = 64
const MAX_LITERAL = 60
const HASH_BITS = 14
/** A copy of two bytes of offset reaches so far back. */
const MAX_OFFSET = 65_535

export function snap(input: Buffer): Buffer {
  const output: Buffer[] = [lengthBytes(input.length)]
  const places = new Int32Array(2 ** HASH_BITS).fill(-1)
  let [at, begin] = [0, 0]
  const literals = (end: number): void => {
    for (; begin < end; begin += MAX_LITERAL) {
      const part = input.subarray(begin, Math.min(end, begin + MAX_LITERAL))
      output.push(Buffer.from([part.length - 1 << 2]), part)
    }
    begin = end
  }
  while (at + MIN_MATCH <= input.length) {
    const word = input.readUInt32LE(at)
    const slot = Math.imul(word, 0x1e35a7bd) >>> 32 - HASH_BITS
    const place = places[slot] ?? -1
    places[slot] = at
    if (place < 0 || at - place > MAX_OFFSET || input.readUInt32LE(place) !== word) {
      at++
      continue
    }
    let size = MIN_MATCH
    while (at + size < input.length && size < MAX_COPY && input[place + size] === input[at + size]) size++
    literals(at)
    const copy = Buffer.alloc(3)
    copy[0] = size - 1 << 2 | 2
    copy.writeUInt16LE(at - place, 1)
    output.push(copy)
    at += size
    begin = at
  }
  literals(input.length)
  return Buffer.concat(output)
}

function lengthBytes(length: number): Buffer {
  const bytes: number[] = []
  let rest = length
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push(rest % 0x80 | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** PNG files of every kind that the specification has, from samples. */
import { crc32, deflateSync } from 'node:zlib'

export type PngFile = {
  readonly width: number
  readonly height: number
  readonly depth: number
  readonly colorType: number
  readonly isInterlaced?: boolean
  readonly palette?: readonly number[]
  readonly transparency?: readonly number[]
  /** From 0 to 2^depth - 1. */
  readonly sample: (x: number, y: number, channel: number) => number
}

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const passes = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const

export function encodePng(file: PngFile): Buffer {
  const rows = (file.isInterlaced ? passes : [[0, 0, 1, 1]] as const).flatMap((pass) => rowsOf(file, pass))
  return pngOf(file, deflateSync(Buffer.concat(rows)))
}

/** With whatever pixels. */
export function pngOf({ width, height, depth, colorType, isInterlaced = false, palette, transparency }: Omit<PngFile, 'sample'>, packed: Buffer): Buffer {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([depth, colorType, 0, 0, isInterlaced ? 1 : 0], 8)
  return Buffer.concat([
    signature, chunk('IHDR', head), ...palette ? [chunk('PLTE', Buffer.from(palette))] : [], ...transparency ? [chunk('tRNS', Buffer.from(transparency))] : [],
    // In two parts, as encoders do it.
    chunk('IDAT', packed.subarray(0, 7)), chunk('IDAT', packed.subarray(7)), chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(content.length)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, checksum])
}

/** Each row with another filter. */
function rowsOf({ width, height, depth, colorType, sample }: PngFile, [firstX, firstY, stepX, stepY]: readonly [number, number, number, number]): Buffer[] {
  const channels = channelsOf[colorType] ?? 1
  const pixelBytes = Math.max(1, (channels * depth) >> 3)
  const rows: Buffer[] = []
  const columns = Math.ceil((width - firstX) / stepX)
  let above: Buffer | undefined
  for (let y = firstY; y < height && columns > 0; y += stepY) {
    let bits = ''
    for (let x = firstX; x < width; x += stepX) {
      for (let channel = 0; channel < channels; channel++) bits += sample(x, y, channel).toString(2).padStart(depth, '0')
    }
    const row = Buffer.from((bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
    const filter = rows.length % 5
    const stored = row.map((byte, i) => {
      const [left, up, corner] = [row[i - pixelBytes] ?? 0, above?.[i] ?? 0, above?.[i - pixelBytes] ?? 0]
      const nearest = [left, up, corner].reduce((best, one) =>
        (Math.abs(left + up - corner - one) < Math.abs(left + up - corner - best) ? one : best), left)
      return byte - [0, left, up, Math.floor((left + up) / 2), nearest][filter]!
    })
    rows.push(Buffer.concat([Buffer.from([filter]), stored]))
    above = row
  }
  return rows
}

/**
 * PNG (third edition), read row by row: neither the rows nor what a small file unpacks to are ever in memory as a whole. Decoders that are
 * packages give all pixels at once, which for a photo is half of a small board.
 */
import { Readable } from 'node:stream'
import { createInflate } from 'node:zlib'
import { MAX_PIXELS, MAX_SIDE } from './limits.ts'
import { createPixelReader, type PngHead } from './png-pixels.ts'
import { createShrinker, fit } from './shrinker.ts'
import type { Picture } from './turn.ts'
import { UnfitImage } from './unfit-image.ts'

export const PNG_SIGNATURE: Buffer = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** First pixel and steps of each pass over an interlaced image (Adam7). */
const adam7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const
const wholeImage = [[0, 0, 1, 1]] as const

/** Throws `UnfitImage`. */
export async function shrinkPng(bytes: Buffer, boxPixels: number): Promise<Picture> {
  const { head, data } = readChunks(bytes)
  const size = fit(head, boxPixels)
  const shrinker = createShrinker(head, size)
  const pixels = createPixelReader(head)
  const packed = Readable.from(data)
  const unpacked = createInflate()
  packed.pipe(unpacked)
  const source = chunksOf(unpacked)
  try {
    for (const [firstX, firstY, stepX, stepY] of head.isInterlaced ? adam7 : wholeImage) {
      const width = Math.ceil((head.width - firstX) / stepX)
      if (width <= 0) continue
      const row = Buffer.alloc(pixels.rowBytes(width))
      const rgb = new Uint8Array(width * 3)
      const above = Buffer.alloc(row.length)
      for (let y = firstY; y < head.height; y += stepY) {
        const filter = Buffer.alloc(1)
        await source.fill(filter)
        await source.fill(row)
        unfilter(filter.readUInt8(0), row, above, pixels.pixelBytes)
        pixels.toRgb(row, rgb)
        shrinker.addRow(y, firstX, stepX, rgb)
        above.set(row)
      }
    }
  } catch (error) {
    if (error instanceof UnfitImage) throw error
    throw new UnfitImage('this PNG cannot be unpacked', error)
  } finally {
    unpacked.destroy()
  }
  return { ...size, pixels: shrinker.pixels() }
}

/** Checksums of chunks are left alone: those of the pixels have one of their own. */
function readChunks(bytes: Buffer): { readonly head: PngHead; readonly data: readonly Buffer[] } {
  const data: Buffer[] = []
  let palette: Buffer = Buffer.alloc(0)
  let transparency: Buffer = Buffer.alloc(0)
  let first: Buffer | undefined
  for (let at = PNG_SIGNATURE.length; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const content = bytes.subarray(at + 8, at + 8 + length)
    if (type === 'IHDR') first ??= content
    else if (type === 'PLTE') palette = content
    else if (type === 'tRNS') transparency = content
    else if (type === 'IDAT') data.push(content)
    else if (type === 'IEND') break
    at += length + 12
  }
  if (first === undefined || first.length !== 13) throw new UnfitImage('this PNG does not say how large it is')
  const head = {
    width: first.readUInt32BE(0), height: first.readUInt32BE(4), depth: first.readUInt8(8), colorType: first.readUInt8(9),
    isInterlaced: first.readUInt8(12) === 1, palette, transparency,
  }
  if (head.width * head.height === 0) throw new UnfitImage('this PNG has no pixels')
  if (head.width > MAX_SIDE || head.height > MAX_SIDE || head.width * head.height > MAX_PIXELS) {
    throw new UnfitImage(`this PNG has ${head.width} x ${head.height} pixels; ${MAX_PIXELS} are possible, and ${MAX_SIDE} in a row`)
  }
  return { head, data }
}

type Source = { /** Exactly so many bytes. */ fill(into: Buffer): Promise<void> }

function chunksOf(stream: AsyncIterable<Buffer>): Source {
  const chunks = stream[Symbol.asyncIterator]()
  let left: Buffer = Buffer.alloc(0)
  return {
    async fill(into) {
      for (let at = 0; at < into.length;) {
        if (left.length === 0) {
          const next = await chunks.next()
          if (next.done) throw new UnfitImage('this PNG ends too soon')
          left = next.value
        }
        const taken = left.copy(into, at)
        left = left.subarray(taken)
        at += taken
      }
    },
  }
}

/** Filters of the specification, chapter 9: each byte was stored as its difference to what lies left, above, or both. */
function unfilter(filter: number, row: Buffer, above: Buffer, pixelBytes: number): void {
  if (filter > 4) throw new UnfitImage('this PNG is broken: there is no such filter')
  // One loop for each: all of the time for a PNG is spent here.
  if (filter === 1) for (let i = pixelBytes; i < row.length; i++) row[i]! += row[i - pixelBytes]!
  else if (filter === 2) for (let i = 0; i < row.length; i++) row[i]! += above[i]!
  else if (filter === 3) for (let i = 0; i < row.length; i++) row[i]! += ((i < pixelBytes ? 0 : row[i - pixelBytes]!) + above[i]!) >> 1
  else if (filter === 4) {
    for (let i = 0; i < pixelBytes; i++) row[i]! += above[i]!
    for (let i = pixelBytes; i < row.length; i++) row[i]! += paeth(row[i - pixelBytes]!, above[i]!, above[i - pixelBytes]!)
  }
}

function paeth(left: number, up: number, corner: number): number {
  const byLeft = Math.abs(up - corner)
  const byUp = Math.abs(left - corner)
  const byCorner = Math.abs(left + up - 2 * corner)
  if (byLeft <= byUp && byLeft <= byCorner) return left
  return byUp <= byCorner ? up : corner
}

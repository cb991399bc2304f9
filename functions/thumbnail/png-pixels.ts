/** Rows of a PNG as red, green and blue on white: gray, colours, palettes, from 1 to 16 bits, with and without transparency. */
import { UnfitImage } from './unfit-image.ts'

export type PngHead = {
  readonly width: number
  readonly height: number
  /** Bits of a sample. */
  readonly depth: number
  readonly colorType: number
  readonly isInterlaced: boolean
  /** Contents of their chunks, empty where there are none. */
  readonly palette: Buffer
  readonly transparency: Buffer
}

export type PixelReader = {
  /** What filters take for the neighbour on the left is so far away. */
  readonly pixelBytes: number
  rowBytes(width: number): number
  /** `rgb` has three bytes for each pixel of the row. */
  toRgb(row: Buffer, rgb: Uint8Array): void
}

const GRAY = 0, COLOR = 2, PALETTE = 3, GRAY_ALPHA = 4, COLOR_ALPHA = 6
const channelsOf: Readonly<Record<number, number>> = { [GRAY]: 1, [COLOR]: 3, [PALETTE]: 1, [GRAY_ALPHA]: 2, [COLOR_ALPHA]: 4 }
const depthsOf: Readonly<Record<number, readonly number[]>> = {
  [GRAY]: [1, 2, 4, 8, 16], [COLOR]: [8, 16], [PALETTE]: [1, 2, 4, 8], [GRAY_ALPHA]: [8, 16], [COLOR_ALPHA]: [8, 16],
}
const OPAQUE = 255

/** Throws `UnfitImage` for what the specification (table 11.1) does not have. */
export function createPixelReader({ depth, colorType, palette, transparency }: PngHead): PixelReader {
  const channels = channelsOf[colorType]
  if (channels === undefined || !depthsOf[colorType]?.includes(depth)) throw new UnfitImage(`this PNG has colours of a kind (${colorType}, ${depth} bits) that does not exist`)
  const isColor = colorType === COLOR || colorType === COLOR_ALPHA
  const hasAlpha = colorType === GRAY_ALPHA || colorType === COLOR_ALPHA
  /** One colour that means nothing, with all of its bits. */
  const clear = (colorType === GRAY || colorType === COLOR) && transparency.length >= 2 * channels
    ? Array.from({ length: channels }, (_, i) => transparency.readUInt16BE(2 * i)) : undefined
  /** What makes a gray of few bits one of eight. */
  const gray = depth < 8 ? 255 / (2 ** depth - 1) : 1
  const wide = depth === 16 ? 2 : 1
  const stepBytes = channels * wide

  const sampleAt = (row: Buffer, i: number): number => {
    if (depth === 8) return row[i]!
    if (depth === 16) return row.readUInt16BE(2 * i)
    return (row[(i * depth) >> 3]! >> (8 - depth - ((i * depth) & 7))) & (2 ** depth - 1)
  }
  const isClear = (row: Buffer, x: number): boolean => clear !== undefined && clear.every((value, i) => sampleAt(row, x * channels + i) === value)
  const onWhite = (value: number, alpha: number): number => Math.round((value * alpha + 255 * (OPAQUE - alpha)) / OPAQUE)

  const fromPalette = (row: Buffer, rgb: Uint8Array, x: number): void => {
    const index = sampleAt(row, x)
    const alpha = transparency[index] ?? OPAQUE
    for (let i = 0; i < 3; i++) rgb[3 * x + i] = onWhite(palette[3 * index + i] ?? 0, alpha)
  }
  /** What nearly every PNG is. */
  const fromBytes = (row: Buffer, rgb: Uint8Array, x: number): void => {
    const at = x * channels
    const alpha = hasAlpha ? row[at + 3]! : OPAQUE
    if (alpha === OPAQUE) {
      rgb[3 * x] = row[at]!
      rgb[3 * x + 1] = row[at + 1]!
      rgb[3 * x + 2] = row[at + 2]!
    } else {
      for (let i = 0; i < 3; i++) rgb[3 * x + i] = onWhite(row[at + i]!, alpha)
    }
  }
  const fromSamples = (row: Buffer, rgb: Uint8Array, x: number): void => {
    // Of 16 bits the upper eight.
    const at = x * stepBytes
    const alpha = hasAlpha ? row[at + stepBytes - wide]! : isClear(row, x) ? 0 : OPAQUE
    for (let i = 0; i < 3; i++) {
      const value = depth < 8 ? sampleAt(row, x) * gray : row[at + (isColor ? i * wide : 0)]!
      rgb[3 * x + i] = alpha === OPAQUE ? value : onWhite(value, alpha)
    }
  }
  return {
    pixelBytes: Math.max(1, (channels * depth) >> 3),
    rowBytes: (width) => Math.ceil((width * channels * depth) / 8),
    toRgb(row, rgb) {
      const convert = colorType === PALETTE ? fromPalette : isColor && depth === 8 && clear === undefined ? fromBytes : fromSamples
      for (let x = 0; x < rgb.length / 3; x++) convert(row, rgb, x)
    },
  }
}

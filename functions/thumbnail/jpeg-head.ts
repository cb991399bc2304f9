/** What a JPEG says of itself before its pixels (ITU T.81, annex B; Exif 2.32, 4.6.4 for the orientation). */
import type { Size } from './shrinker.ts'
import { UnfitImage } from './unfit-image.ts'

export type JpegHead = Size & {
  readonly components: number
  /** From 1 to 8: how the camera was held. */
  readonly orientation: number
}

const START = 0xffd8
const EXIF_SEGMENT = 0xe1
const ORIENTATION_TAG = 0x0112
const LITTLE_ENDIAN = 0x4949

/** Throws `UnfitImage`. */
export function readJpegHead(bytes: Buffer): JpegHead {
  let orientation = 1
  try {
    if (bytes.readUInt16BE(0) !== START) throw new UnfitImage('this is no JPEG')
    for (let at = 2; ;) {
      while (bytes.readUInt8(at) === 0xff && bytes.readUInt8(at + 1) === 0xff) at++
      if (bytes.readUInt8(at) !== 0xff) throw new UnfitImage('this JPEG is broken: there is no marker where one must be')
      const marker = bytes.readUInt8(at + 1)
      at += 2
      if (isAlone(marker)) continue
      const length = bytes.readUInt16BE(at)
      const segment = bytes.subarray(at + 2, at + length)
      if (isFrame(marker)) {
        const [height, width, components] = [segment.readUInt16BE(1), segment.readUInt16BE(3), segment.readUInt8(5)]
        return { width, height, components, orientation }
      }
      if (marker === EXIF_SEGMENT) orientation = orientationIn(segment) ?? orientation
      at += length
    }
  } catch (error) {
    if (error instanceof UnfitImage) throw error
    throw new UnfitImage('this JPEG ends before it says how large it is', error)
  }
}

/** TEM, RST0 to RST7. */
function isAlone(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)
}

/** SOF0 to SOF15 without DHT, JPG and DAC, whose numbers lie between. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}

/** `undefined` where there is none; what is not as it should be is none. */
function orientationIn(segment: Buffer): number | undefined {
  if (segment.toString('latin1', 0, 6) !== 'Exif\0\0') return undefined
  const tiff = segment.subarray(6)
  try {
    const isLittle = tiff.readUInt16BE(0) === LITTLE_ENDIAN
    const short = (at: number): number => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
    const first = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4)
    const entries = short(first)
    for (let i = 0; i < entries; i++) {
      const entry = first + 2 + 12 * i
      if (short(entry) !== ORIENTATION_TAG) continue
      const value = short(entry + 8)
      return value >= 1 && value <= 8 ? value : undefined
    }
  } catch {
    // It ends in the middle: the picture may be fine.
  }
  return undefined
}

/** Turns pixels as the camera was held. */
import type { Size } from './shrinker.ts'

export type Picture = Size & {
  /** Three bytes a pixel: red, green, blue. */
  readonly pixels: Uint8Array
}

/** Where a pixel of the upright picture lies in the stored one, by orientation (Exif): mirrored, upside down, sides exchanged. */
const places: Readonly<Record<number, (x: number, y: number, stored: Size) => readonly [number, number]>> = {
  2: (x, y, { width }) => [width - 1 - x, y],
  3: (x, y, { width, height }) => [width - 1 - x, height - 1 - y],
  4: (x, y, { height }) => [x, height - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, { height }) => [y, height - 1 - x],
  7: (x, y, { width, height }) => [width - 1 - y, height - 1 - x],
  8: (x, y, { width }) => [width - 1 - y, x],
}
/** From here on width and height are exchanged. */
const FIRST_ON_ITS_SIDE = 5

export function turnUpright(stored: Picture, orientation: number): Picture {
  const place = places[orientation]
  if (place === undefined) return stored
  const { width, height, pixels } = stored
  const size = orientation >= FIRST_ON_ITS_SIDE ? { width: height, height: width } : { width, height }
  const upright = new Uint8Array(pixels.length)
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const [fromX, fromY] = place(x, y, stored)
      const from = 3 * (fromY * width + fromX)
      upright.set(pixels.subarray(from, from + 3), 3 * (y * size.width + x))
    }
  }
  return { ...size, pixels: upright }
}

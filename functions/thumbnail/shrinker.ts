/** Averages an image into a small one while its rows come, in any order: only the small one is in memory. */

export type Size = { readonly width: number; readonly height: number }

export type Shrinker = {
  readonly size: Size
  /** Pixels `x`, `x + step`, … of row `y`, three bytes each (red, green, blue). */
  addRow(y: number, x: number, step: number, row: Uint8Array): void
  /** Three bytes a pixel; those that were never added are black. */
  pixels(): Uint8Array
}

/** The size within a square of `boxPixels`; nothing is made larger. */
export function fit({ width, height }: Size, boxPixels: number): Size {
  const scale = Math.min(1, boxPixels / Math.max(width, height))
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

export function createShrinker(from: Size, size: Size): Shrinker {
  // A cell gets 10 million pixels at most (limits.ts), of which each adds 255: below 2^32.
  const sums = new Uint32Array(size.width * size.height * 3)
  const counts = new Uint32Array(size.width * size.height)
  const columns = Uint32Array.from({ length: from.width }, (_, x) => Math.floor((x * size.width) / from.width))

  return {
    size,
    addRow(y, x, step, row) {
      const line = Math.floor((y * size.height) / from.height) * size.width
      for (let at = 0; at + 2 < row.length; at += 3, x += step) {
        const cell = line + (columns[x] ?? 0)
        counts[cell]!++
        sums[3 * cell]! += row[at]!
        sums[3 * cell + 1]! += row[at + 1]!
        sums[3 * cell + 2]! += row[at + 2]!
      }
    },
    pixels: () => Uint8Array.from(sums, (sum, i) => Math.round(sum / (counts[Math.floor(i / 3)] || 1))),
  }
}

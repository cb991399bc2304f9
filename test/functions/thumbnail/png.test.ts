import * as assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { deflateSync } from 'node:zlib'
import { shrinkPng } from '../../../functions/thumbnail/png.ts'
import { UnfitImage } from '../../../functions/thumbnail/unfit-image.ts'
import { cases, test } from '../../kit.ts'
import { encodePng, pngOf, type PngFile } from './png-file.ts'

const palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]
const kinds = [
  ...[1, 2, 4, 8, 16].map((depth) => ({ name: `gray of ${depth} bits`, depth, colorType: 0 })),
  ...[1, 2, 4, 8].map((depth) => ({ name: `a palette of ${depth} bits`, depth, colorType: 3, palette, transparency: [255, 100] })),
  ...[8, 16].flatMap((depth) => [
    { name: `colours of ${depth} bits`, depth, colorType: 2 },
    { name: `colours and transparency of ${depth} bits`, depth, colorType: 6 },
    { name: `gray and transparency of ${depth} bits`, depth, colorType: 4 },
  ]),
  { name: 'gray with one that means nothing', depth: 4, colorType: 0, transparency: [0, 5] },
  { name: 'colours with one that means nothing', depth: 8, colorType: 2, transparency: [0, 3, 0, 36, 0, 69] },
].flatMap((kind) => [{ ...kind, isInterlaced: false }, { ...kind, name: `${kind.name}, interlaced`, isInterlaced: true }])

cases('a PNG has the pixels that another decoder finds in it', kinds, async ({ name: _, ...kind }) => {
  const most = kind.colorType === 3 ? Math.min(4, 2 ** kind.depth) : 2 ** kind.depth
  const spread = kind.depth === 16 ? 263 : 1
  const file: PngFile = { width: 37, height: 29, ...kind, sample: (x, y, channel) => ((x * 3 + y * 7 + channel * 33) * spread) % most }
  const bytes = encodePng(file)
  const { width, height, pixels } = await shrinkPng(bytes, 100)
  const other = await decodeOtherwise(bytes)
  assert.deepEqual([width, height], [37, 29])
  const differences = pixels.map((value, i) => Math.abs(value - other[i]!))
  // 16 bits become 8 in more than one way, and so does the mixing with white.
  assert.ok(Math.max(...differences) <= (kind.depth === 16 ? 2 : 1), `differs by ${Math.max(...differences)} at ${differences.findIndex((one) => one > 1)}`)
})

test('a large PNG becomes the average of what it was', async () => {
  const { width, height, pixels } = await shrinkPng(encodePng({ width: 200, height: 100, depth: 8, colorType: 0, sample: (x) => (x % 2 === 0 ? 0 : 200) }), 50)
  assert.deepEqual([width, height, new Set(pixels)], [50, 25, new Set([100])])
})

const shape = { width: 10, height: 10, depth: 8, colorType: 2 }
cases('a PNG is refused', [
  { name: 'with more pixels than are possible', bytes: pngOf({ ...shape, width: 40_000, height: 40_000 }, deflateSync(Buffer.alloc(1000))), says: /1600000000|40000/ },
  { name: 'with a row that does not end', bytes: pngOf({ ...shape, width: 2 ** 31 - 1, height: 1 }, deflateSync(Buffer.alloc(1000))), says: /65535 in a row/ },
  { name: 'without pixels', bytes: pngOf({ ...shape, width: 0 }, Buffer.alloc(20)), says: /no pixels/ },
  { name: 'that ends in the middle', bytes: pngOf(shape, deflateSync(Buffer.alloc(100))), says: /ends too soon/ },
  { name: 'whose pixels are garbage', bytes: pngOf(shape, Buffer.from('garbage, garbage and garbage')), says: /cannot be unpacked/ },
  { name: 'with a filter that there is not', bytes: pngOf(shape, deflateSync(Buffer.alloc(310, 9))), says: /no such filter/ },
  { name: 'of 3 bits', bytes: pngOf({ ...shape, depth: 3 }, deflateSync(Buffer.alloc(310))), says: /does not exist/ },
  { name: 'that is only a signature', bytes: pngOf(shape, Buffer.alloc(9)).subarray(0, 8), says: /how large/ },
], async ({ bytes, says }) => {
  await assert.rejects(shrinkPng(bytes, 50), (error) => error instanceof UnfitImage && says.test(error.message))
})

test('what a small file unpacks to beyond its pixels is not looked at', async () => {
  const bomb = pngOf(shape, deflateSync(Buffer.alloc(200 * 2 ** 20)))
  const before = process.memoryUsage().rss
  await shrinkPng(bomb, 50)
  assert.ok(process.memoryUsage().rss - before < 50 * 2 ** 20)
})

/** By the decoder in C that ImageScript has, on white. */
async function decodeOtherwise(bytes: Buffer): Promise<Uint8Array> {
  const file = createRequire(import.meta.url).resolve('imagescript/wasm/any/png.wasm')
  const instance = new WebAssembly.Instance(await WebAssembly.compile(await readFile(file)), { env: { emscripten_notify_memory_growth: () => undefined } })
  const { memory, walloc, decode, width, height } = instance.exports as {
    memory: { buffer: ArrayBuffer }, walloc(bytes: number): number, decode(at: number, bytes: number): number, width(): number, height(): number
  }
  const at = walloc(bytes.length)
  new Uint8Array(memory.buffer).set(bytes, at)
  const start = decode(at, bytes.length)
  assert.ok(start > 0, 'the other decoder takes it')
  const rgba = new Uint8Array(memory.buffer, start, width() * height() * 4)
  return Uint8Array.from({ length: width() * height() * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) * 4
    const alpha = rgba[pixel + 3]!
    return Math.round((rgba[pixel + (i % 3)]! * alpha + 255 * (255 - alpha)) / 255)
  })
}

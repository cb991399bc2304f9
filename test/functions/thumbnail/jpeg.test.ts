import * as assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { decoderModule, withMemoryLimit } from '../../../functions/thumbnail/decoder-module.ts'
import { encodeJpeg, shrinkJpeg } from '../../../functions/thumbnail/jpeg.ts'
import { makeThumbnail } from '../../../functions/thumbnail/make-thumbnail.ts'
import type { Picture } from '../../../functions/thumbnail/turn.ts'
import { UnfitImage } from '../../../functions/thumbnail/unfit-image.ts'
import { cases, test } from '../../kit.ts'
import { encodePng } from './png-file.ts'

/** 96 x 64: red and green, below them blue and white. */
const image = (name: string): Promise<Buffer> => readFile(join(import.meta.dirname, '../../fixtures/images', name))

cases('a JPEG becomes a small picture of the same', [
  { name: 'with half of the colours', file: 'quarters.jpg', corners: ['red', 'green', 'blue', 'white'] },
  { name: 'progressive', file: 'quarters-progressive.jpg', corners: ['red', 'green', 'blue', 'white'] },
  { name: 'gray', file: 'quarters-gray.jpg', corners: ['gray 76', 'gray 150', 'gray 29', 'white'] },
], async ({ file, corners }) => {
  const module = await decoderModule()
  const small = shrinkJpeg(module, await image(file), 24)
  assert.deepEqual([small.width, small.height, cornersOf(small)], [24, 16, corners])
  const again = shrinkJpeg(module, Buffer.from(encodeJpeg(module, small, 90)), 24)
  assert.deepEqual([again.width, again.height, cornersOf(again)], [24, 16, corners])
})

cases('a picture is turned as the camera was held, orientation', [
  { name: '1', corners: ['red', 'green', 'blue', 'white'], isUpright: true },
  { name: '2', corners: ['green', 'red', 'white', 'blue'], isUpright: true },
  { name: '3', corners: ['white', 'blue', 'green', 'red'], isUpright: true },
  { name: '4', corners: ['blue', 'white', 'red', 'green'], isUpright: true },
  { name: '5', corners: ['red', 'blue', 'green', 'white'], isUpright: false },
  { name: '6', corners: ['blue', 'red', 'white', 'green'], isUpright: false },
  { name: '7', corners: ['white', 'green', 'blue', 'red'], isUpright: false },
  { name: '8', corners: ['green', 'white', 'red', 'blue'], isUpright: false },
  { name: '9, which does not exist', corners: ['red', 'green', 'blue', 'white'], isUpright: true },
], async ({ name, corners, isUpright }) => {
  for (const isLittle of [true, false]) {
    const small = shrinkJpeg(await decoderModule(), withOrientation(await image('quarters.jpg'), Number.parseInt(name, 10), isLittle), 24)
    assert.deepEqual([small.width, small.height, cornersOf(small)], [...isUpright ? [24, 16] : [16, 24], corners])
  }
})

test('what the camera wrote beside the picture is not in the thumbnail', async () => {
  const bytes = withOrientation(await image('quarters.jpg'), 6, true)
  assert.ok(bytes.includes('Exif'))
  const { jpeg, width, height } = await makeThumbnail(new Uint8Array(bytes))
  assert.deepEqual([width, height, Buffer.from(jpeg).includes('Exif')], [64, 96, false])
})

test('every beginning of a JPEG, and one with any byte changed, is a thumbnail or refused', async () => {
  const module = await decoderModule()
  const whole = await image('quarters-progressive.jpg')
  const broken = [...whole.keys()].flatMap((at) => {
    const changed = Buffer.from(whole)
    changed[at] = 255 - changed[at]!
    return [whole.subarray(0, at), changed]
  })
  let refused = 0
  for (const bytes of broken) {
    try {
      shrinkJpeg(module, bytes, 24)
    } catch (error) {
      if (!(error instanceof UnfitImage)) throw error
      refused++
    }
  }
  assert.ok(refused > whole.length / 2, `${refused} of ${broken.length} refused`)
})

cases('a JPEG is refused', [
  { name: 'that says it has more pixels than are possible', size: [0xffff, 0xffff], says: /more than 64000000/ },
  { name: 'that says it has none', size: [0, 0], says: /how large/ },
] as const, async ({ size, says }) => {
  const bytes = Buffer.from(await image('quarters.jpg'))
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]))
  bytes.writeUInt16BE(size[0], frame + 5)
  bytes.writeUInt16BE(size[1], frame + 7)
  await assert.rejects(async () => shrinkJpeg(await decoderModule(), bytes, 24), (error) => error instanceof UnfitImage && says.test(error.message))
})

test('the decoder takes no more memory than it is given, and is refused then', async () => {
  // It says it has 62 million pixels, and is progressive: 200 MB.
  const bytes = Buffer.from(await image('quarters-progressive.jpg'))
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc2]))
  bytes.writeUInt16BE(7900, frame + 5)
  bytes.writeUInt16BE(7900, frame + 7)
  await assert.rejects(async () => shrinkJpeg(await decoderModule(), bytes, 24), (error) => error instanceof UnfitImage && /memory/.test(error.message))
  const own = await readFile(createRequire(import.meta.url).resolve('imagescript/wasm/any/jpeg.wasm'))
  const instance = new WebAssembly.Instance(await WebAssembly.compile(withMemoryLimit(own, 2 ** 21)), {})
  const { memory } = instance.exports as { memory: { grow(pages: number): number } }
  memory.grow((2 ** 21 - 17 * 65_536) / 65_536)
  assert.throws(() => memory.grow(1), RangeError)
})

test('an image that takes too long is given up', async () => {
  const slow = encodePng({ width: 4000, height: 500, depth: 1, colorType: 0, sample: () => 0 })
  await assert.rejects(makeThumbnail(new Uint8Array(slow), 1), /longer than 1 ms/)
})

cases('bytes are refused', [
  { name: 'that are no image', bytes: Buffer.from('GIF89a, or so') },
  { name: 'that are none', bytes: Buffer.alloc(0) },
], async ({ bytes }) => {
  await assert.rejects(makeThumbnail(new Uint8Array(bytes)), (error) => error instanceof UnfitImage && /neither/.test(error.message))
})

function cornersOf({ width, height, pixels }: Picture): string[] {
  return [[1, 1], [width - 2, 1], [1, height - 2], [width - 2, height - 2]].map(([x = 0, y = 0]) => nameOf([...pixels.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)]))
}

function nameOf(color: readonly number[]): string {
  const isNear = (other: readonly number[]): boolean => color.every((value, i) => Math.abs(value - other[i]!) < 40)
  const names = Object.entries({ red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255], 'gray 76': [76, 76, 76], 'gray 150': [150, 150, 150], 'gray 29': [29, 29, 29] })
  return names.find(([, other]) => isNear(other))?.[0] ?? color.join(' ')
}

/** As cameras write it: an Exif segment with this one entry. */
function withOrientation(jpeg: Buffer, orientation: number, isLittle: boolean): Buffer {
  const tiff = Buffer.alloc(26)
  tiff.write(isLittle ? 'II' : 'MM', 'latin1')
  const short = (value: number, at: number): number => (isLittle ? tiff.writeUInt16LE(value, at) : tiff.writeUInt16BE(value, at))
  const long = (value: number, at: number): number => (isLittle ? tiff.writeUInt32LE(value, at) : tiff.writeUInt32BE(value, at))
  short(42, 2)
  long(8, 4)
  short(1, 8)
  short(0x0112, 10)
  short(3, 12)
  long(1, 14)
  short(orientation, 18)
  const content = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff])
  const head = Buffer.from([0xff, 0xe1, 0, content.length + 2])
  return Buffer.concat([jpeg.subarray(0, 2), head, content, jpeg.subarray(2)])
}

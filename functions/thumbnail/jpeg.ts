/** JPEG in and out. The decoder leaves details away while it reads: an eighth of each side costs a sixty-fourth of the memory. */
import { readJpegHead } from './jpeg-head.ts'
import { MAX_PIXELS } from './limits.ts'
import { createShrinker, fit, type Size } from './shrinker.ts'
import { type Picture, turnUpright } from './turn.ts'
import { UnfitImage } from './unfit-image.ts'

/** What of the module is used here. Addresses are numbers into its memory; the lengths of what it made are in `wlen`. */
type Codec = {
  readonly memory: { readonly buffer: ArrayBuffer }
  walloc(bytes: number): number
  wlen(): number
  /** 0 and 1 are failures. The decoded picture is not smaller than asked for, where the original is not. */
  decode(at: number, bytes: number, width: number, height: number): number
  decode_width(picture: number): number
  decode_height(picture: number): number
  decode_format(picture: number): number
  decode_buffer(picture: number): number
  /** Four bytes a pixel. */
  encode(at: number, width: number, height: number, quality: number): number
}

/** What the decoder makes twice as large as wanted is averaged to a smoother picture than what it makes as it is wanted. */
const OVERSAMPLING = 2
const GRAY = 0
const COLOR = 1

/** Throws `UnfitImage`. `module` is that of `decoderModule`. */
export function shrinkJpeg(module: object, bytes: Buffer, boxPixels: number): Picture {
  const { orientation, components, ...from } = readJpegHead(bytes)
  if (from.width * from.height === 0) throw new UnfitImage('this JPEG does not say how large it is')
  if (from.width * from.height > MAX_PIXELS) throw new UnfitImage(`this JPEG has ${from.width} x ${from.height} pixels, more than ${MAX_PIXELS}`)
  if (components > 3) throw new UnfitImage('this JPEG is made for printing (four colours), not for screens')
  const size = fit(from, boxPixels)
  const codec = start(module)
  const decoded = decode(codec, bytes, fit(from, boxPixels * OVERSAMPLING))
  const shrinker = createShrinker(decoded, size)
  const row = new Uint8Array(decoded.width * 3)
  for (let y = 0; y < decoded.height; y++) {
    const line = decoded.pixels.subarray(y * decoded.width * decoded.channels)
    for (let x = 0; x < decoded.width; x++) {
      for (let channel = 0; channel < 3; channel++) row[3 * x + channel] = line[decoded.channels === 1 ? x : 3 * x + channel] ?? 0
    }
    shrinker.addRow(y, 0, 1, row)
  }
  return turnUpright({ ...size, pixels: shrinker.pixels() }, orientation)
}

export function encodeJpeg(module: object, { width, height, pixels }: Picture, quality: number): Uint8Array<ArrayBuffer> {
  const codec = start(module)
  const at = codec.walloc(width * height * 4)
  const memory = new Uint8Array(codec.memory.buffer, at, width * height * 4)
  for (let i = 0; i < width * height; i++) memory.set([pixels[3 * i] ?? 0, pixels[3 * i + 1] ?? 0, pixels[3 * i + 2] ?? 0, 255], 4 * i)
  const made = codec.encode(at, width, height, quality)
  return new Uint8Array(codec.memory.buffer, made, codec.wlen()).slice()
}

type Decoded = Size & { readonly channels: number; readonly pixels: Uint8Array }

function decode(codec: Codec, bytes: Buffer, wanted: Size): Decoded {
  try {
    const at = codec.walloc(bytes.length)
    new Uint8Array(codec.memory.buffer, at, bytes.length).set(bytes)
    const picture = codec.decode(at, bytes.length, wanted.width, wanted.height)
    if (picture === 0 || picture === 1) throw new UnfitImage('this JPEG is broken')
    const format = codec.decode_format(picture)
    if (format !== GRAY && format !== COLOR) throw new UnfitImage('this JPEG is neither gray nor in three colours')
    const start = codec.decode_buffer(picture)
    return {
      width: codec.decode_width(picture), height: codec.decode_height(picture), channels: format === GRAY ? 1 : 3,
      pixels: new Uint8Array(codec.memory.buffer, start, codec.wlen()),
    }
  } catch (error) {
    // What it cannot bear ends the program inside, and no more than that.
    if (error instanceof Error && error.name === 'RuntimeError') throw new UnfitImage('this JPEG is broken, or needs more memory than there is for it', error)
    throw error
  }
}

function start(module: object): Codec {
  const { exports } = new WebAssembly.Instance(module as WebAssembly.Module, {})
  if (!isCodec(exports)) throw new Error('the decoder has other functions than expected: look at its new version')
  return exports
}

function isCodec(exports: object): exports is Codec {
  const names = ['walloc', 'wlen', 'decode', 'decode_width', 'decode_height', 'decode_format', 'decode_buffer', 'encode']
  return 'memory' in exports && names.every((name) => typeof Reflect.get(exports, name) === 'function')
}

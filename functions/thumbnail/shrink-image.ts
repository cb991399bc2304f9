/** An image as a thumbnail: JPEG and PNG in, JPEG out, upright, on white, and without anything that the camera wrote beside the picture. */
import { encodeJpeg, shrinkJpeg } from './jpeg.ts'
import { THUMBNAIL_PIXELS, THUMBNAIL_QUALITY } from './limits.ts'
import { PNG_SIGNATURE, shrinkPng } from './png.ts'
import { UnfitImage } from './unfit-image.ts'

export type Thumbnail = {
  readonly jpeg: Uint8Array<ArrayBuffer>
  readonly width: number
  readonly height: number
}

const JPEG_SIGNATURE = Buffer.from([0xff, 0xd8, 0xff])

/** Throws `UnfitImage`. `module` is that of `decoderModule`. */
export async function shrinkImage(module: object, bytes: Buffer): Promise<Thumbnail> {
  const picture = startsWith(bytes, JPEG_SIGNATURE) ? shrinkJpeg(module, bytes, THUMBNAIL_PIXELS)
    : startsWith(bytes, PNG_SIGNATURE) ? await shrinkPng(bytes, THUMBNAIL_PIXELS) : undefined
  if (picture === undefined) throw new UnfitImage('this is neither a JPEG nor a PNG')
  return { jpeg: encodeJpeg(module, picture, THUMBNAIL_QUALITY), width: picture.width, height: picture.height }
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start)
}

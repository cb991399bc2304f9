/** What an image in a layout consists of: its manifests from the lowest up, and the blobs they point to. */
import { BrambleError } from '../lib/errors.ts'
import type { Layout } from './layout.ts'
import { isIndexType, isManifestType, platformName, type Descriptor } from './oci.ts'
import { parseIndex, parseManifest } from './parse-oci.ts'

export type ImageBlob = Descriptor & {
  readonly kind: 'layer' | 'configuration'
  /** Those that have it: a layer may serve several. */
  readonly platforms: readonly string[]
}

export type ImageTree = {
  /** Each once. */
  readonly blobs: readonly ImageBlob[]
  /** A manifest comes after all that it points to; the image itself is the last. */
  readonly manifests: readonly Descriptor[]
}

/** `INVALID` for what is no image, or is spoilt. */
export async function readImageTree(layout: Pick<Layout, 'readJson'>, image: Descriptor): Promise<ImageTree> {
  const blobs = new Map<string, ImageBlob>()
  const manifests = new Map<string, Descriptor>()

  const walk = async (one: Descriptor, depth: number): Promise<void> => {
    const what = `the manifest ${one.digest}`
    if (isIndexType(one.mediaType)) {
      if (depth > 0) throw new BrambleError('UNSUPPORTED', `${what} is an index within an index: images here have one level`)
      const { manifests: parts } = parseIndex(await layout.readJson(one), what, one.mediaType)
      for (const part of parts) await walk(part, depth + 1)
    } else if (isManifestType(one.mediaType)) {
      const { config, layers } = parseManifest(await layout.readJson(one), what, one.mediaType)
      const platform = one.platform ? [platformName(one.platform)] : []
      for (const [index, blob] of [...layers, config].entries()) {
        const known = blobs.get(blob.digest)
        blobs.set(blob.digest, {
          ...blob, kind: index < layers.length ? 'layer' : 'configuration',
          platforms: [...new Set([...known?.platforms ?? [], ...platform])],
        })
      }
    } else {
      throw new BrambleError('UNSUPPORTED', `${what} is a ${one.mediaType}: only images and indexes of images can be pushed`)
    }
    manifests.set(one.digest, one)
  }

  await walk(image, 0)
  return { blobs: [...blobs.values()], manifests: [...manifests.values()] }
}

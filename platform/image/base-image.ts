/** An image that others are built upon, for one platform. */
import { BrambleError } from '../lib/errors.ts'
import type { Layout } from './layout.ts'
import { isIndexType, isSamePlatform, mediaTypes, platformName, type Descriptor, type ImageConfig, type Platform } from './oci.ts'
import { parseImageConfig, parseIndex, parseManifest } from './parse-oci.ts'

export type BaseImage = {
  readonly platform: Platform
  readonly layers: readonly Descriptor[]
  readonly config: ImageConfig
}

/** `image` is a manifest or an index in the layout, as `pullImage` leaves it; `name` is for errors. `NOT_FOUND` without the platform. */
export async function readBaseImage(layout: Layout, platform: Platform, image: Descriptor, name: string): Promise<BaseImage> {
  const manifest = isIndexType(image.mediaType)
    ? parseIndex(await layout.readJson(image), name, image.mediaType).manifests.find((one) => one.platform && isSamePlatform(platform, one.platform))
    : image
  if (!manifest) throw new BrambleError('NOT_FOUND', `${name} has no image for ${platformName(platform)}`)
  const { config, layers } = parseManifest(await layout.readJson(manifest), name, manifest.mediaType)
  return {
    platform,
    layers: layers.map(ociLayer),
    config: parseImageConfig(await layout.readJson(config), `the configuration of ${name}`),
  }
}

/** Docker's gzip layers are OCI's under another name; an OCI manifest calls them by its own. */
function ociLayer(layer: Descriptor): Descriptor {
  return layer.mediaType === mediaTypes.dockerLayerGzip ? { ...layer, mediaType: mediaTypes.layerGzip } : layer
}

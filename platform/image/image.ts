/** Puts layers upon a base: one image for several platforms. */
import type { BaseImage } from './base-image.ts'
import type { Layer } from './layer.ts'
import type { Layout } from './layout.ts'
import { mediaTypes, type ContainerConfig, type Descriptor, type ImageConfig, type Index, type Manifest, type Platform } from './oci.ts'

export type ManifestOptions = {
  readonly layout: Layout
  /** The same for all platforms: a bundle is. */
  readonly layers: readonly Layer[]
  /** Wins over the base's. `Env` is added to; `Labels` are the image's own: a base's describe the base. */
  readonly config: ContainerConfig
  /** When it was made, as far as its content tells. */
  readonly created: string
  /** What `docker history` shows for the layers. */
  readonly createdBy: string
}

/** Writes manifests and an index; the index's descriptor is the image. Everything but `layout` decides its digest. */
export async function writeImage(bases: readonly BaseImage[], options: ManifestOptions): Promise<Descriptor> {
  const manifests: Descriptor[] = []
  for (const base of bases) manifests.push(await writeManifest(base, options))
  const index: Index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests }
  return options.layout.writeJson(mediaTypes.index, index)
}

/** The image for one platform. */
export async function writeManifest(base: BaseImage, options: ManifestOptions): Promise<Descriptor> {
  const { layout, layers } = options
  const config = await layout.writeJson(mediaTypes.config, imageConfig(base, options))
  const manifest: Manifest = {
    schemaVersion: 2, mediaType: mediaTypes.manifest, config,
    layers: [...base.layers, ...layers.map(({ descriptor }) => descriptor)],
  }
  return { ...await layout.writeJson(mediaTypes.manifest, manifest), platform: plainPlatform(base.config) }
}

function imageConfig(base: BaseImage, { layers, config, created, createdBy }: ManifestOptions): ImageConfig {
  const below = base.config
  const { Entrypoint: _, Cmd: __, Labels: ___, ...inherited } = below.config
  return {
    ...plainPlatform(below),
    created,
    config: { ...inherited, ...config, Env: mergedEnv(below.config.Env, config.Env) },
    rootfs: { type: 'layers', diff_ids: [...below.rootfs.diff_ids, ...layers.map(({ diffId }) => diffId)] },
    history: [...below.history, ...layers.map(() => ({ created, created_by: createdBy }))],
  }
}

/** Only what makes a platform: a configuration has much more. */
function plainPlatform({ architecture, os, variant }: Platform): Platform {
  return { architecture, os, ...(variant === undefined ? {} : { variant }) }
}

/** A variable keeps its place and takes the new value. */
function mergedEnv(below: readonly string[] = [], added: readonly string[] = []): readonly string[] {
  return [...new Map([...below, ...added].map((line) => [line.slice(0, line.indexOf('=')), line])).values()]
}

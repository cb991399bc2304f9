/** The words of the OCI image format 1.1, and of Docker's schema 2, which registries still hold. */
import { createHash } from 'node:crypto'

/** Of a blob's bytes; the only algorithm anybody writes. */
export type Digest = `sha256:${string}`

/** Points to a blob: what it is, which, and how long. */
export type Descriptor = {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  /** Of the manifests in an index. */
  readonly platform?: Platform
  readonly annotations?: Readonly<Record<string, string>>
}

export type Platform = { readonly os: string; readonly architecture: string; readonly variant?: string }

/** One image for one platform. */
export type Manifest = {
  readonly schemaVersion: 2
  readonly mediaType: string
  readonly config: Descriptor
  /** From the lowest to the topmost. */
  readonly layers: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** One image for several platforms; also the `index.json` of a layout folder. */
export type Index = {
  readonly schemaVersion: 2
  readonly mediaType: string
  readonly manifests: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** How a container is started, and what its layers are before compression. */
export type ImageConfig = Platform & {
  readonly created?: string
  readonly config: ContainerConfig
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] }
  readonly history: readonly HistoryEntry[]
}

export type ContainerConfig = {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, never>>>>
  /** `NAME=value`. */
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
}

/** One line of `docker history`; each layer has one, in order. */
export type HistoryEntry = {
  readonly created?: string
  readonly created_by?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

/** On an entry of a layout's `index.json`: the image reference it is known by. */
export const REFERENCE_ANNOTATION = 'org.opencontainers.image.ref.name'

/** What boards, laptops and servers run; more only when somebody has one. */
export const supportedPlatforms: readonly Platform[] = [
  { os: 'linux', architecture: 'arm64' },
  { os: 'linux', architecture: 'amd64' },
]

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerIndex
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.manifest || mediaType === mediaTypes.dockerManifest
}

/** `linux/arm64`, `linux/arm/v7`. */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')
}

/** Whether a machine of `wanted` runs `offered`. Every arm64 image is v8, said or not. */
export function isSamePlatform(wanted: Platform, offered: Platform): boolean {
  return wanted.os === offered.os && wanted.architecture === offered.architecture
    && variantOf(wanted) === variantOf(offered)
}

function variantOf({ architecture, variant }: Platform): string {
  return variant ?? (architecture === 'arm64' ? 'v8' : '')
}

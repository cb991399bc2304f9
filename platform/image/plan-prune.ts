/** Which images of a registry no function uses, and which manifests go with them. */
import type { StoredImage } from './catalog.ts'
import type { Digest } from './oci.ts'
import type { Reference } from './reference.ts'

export type PrunePlan = {
  readonly unused: readonly StoredImage[]
  readonly used: readonly StoredImage[]
  /** Not made from Bramble's template: they are nobody's business here. */
  readonly foreign: readonly StoredImage[]
  /** To delete, an index before what it points to; never one that a kept image needs. */
  readonly manifests: readonly { readonly repository: string; readonly digest: Digest }[]
  /** Of layers and configurations that only unused images have. */
  readonly freedBytes: number
}

/** `inUse`: the images of all functions, of this registry or another. A tag and a digest each keep what they name. */
export function planPrune(registry: string, images: readonly StoredImage[], inUse: readonly Reference[]): PrunePlan {
  const names = new Set(inUse.filter((one) => one.registry === registry)
    .flatMap(({ repository, tag, digest }) => [...(tag === undefined ? [] : [`${repository}:${tag}`]), ...(digest === undefined ? [] : [`${repository}@${digest}`])]))
  const isNamed = ({ repository, tag, digest, manifests }: StoredImage): boolean =>
    names.has(`${repository}:${tag}`) || [digest, ...manifests].some((one) => names.has(`${repository}@${one}`))
  // A registry deletes by digest, and all tags of that digest with it.
  const usedDigests = new Set(images.filter(isNamed).map(({ repository, digest }) => `${repository}@${digest}`))
  const isUsed = ({ repository, digest }: StoredImage): boolean => usedDigests.has(`${repository}@${digest}`)

  const unused = images.filter((image) => !isUsed(image) && image.isFunction)
  const remaining = images.filter((image) => isUsed(image) || !image.isFunction)
  const needed = new Set(remaining.flatMap(({ repository, digest, manifests }) => [digest, ...manifests].map((one) => `${repository}@${one}`)))
  const manifests = new Map(unused.flatMap(({ repository, digest, manifests }) =>
    [digest, ...manifests].map((one) => [`${repository}@${one}`, { repository, digest: one }] as const)))
  const keptBlobs = new Set(remaining.flatMap(({ blobs }) => [...blobs.keys()]))
  const freed = new Map(unused.flatMap(({ blobs }) => [...blobs]).filter(([digest]) => !keptBlobs.has(digest)))
  return {
    unused,
    used: remaining.filter(isUsed),
    foreign: remaining.filter((image) => !isUsed(image)),
    manifests: [...manifests].filter(([name]) => !needed.has(name)).map(([, one]) => one),
    freedBytes: [...freed.values()].reduce((sum, size) => sum + size, 0),
  }
}

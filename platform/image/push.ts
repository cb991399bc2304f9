/**
 * An image out of a layout folder into a registry: first the blobs it lacks, then the manifests from the lowest up, and
 * the tag with the last request. A push that ends early leaves the tag as it was.
 */
import { BrambleError } from '../lib/errors.ts'
import { createGate } from '../lib/gate.ts'
import { readImageTree, type ImageBlob } from './image-tree.ts'
import type { Layout } from './layout.ts'
import type { Descriptor, Digest } from './oci.ts'
import { readAll } from './read-body.ts'
import { formatReference, type Reference } from './reference.ts'
import type { Registry } from './registry.ts'
import { hasBlob, uploadBlob } from './upload.ts'

/** One step of one blob. */
export type PushProgress = {
  readonly blob: ImageBlob
  /** `present` was there, `mounted` came from another repository of the registry: neither was transferred. `resumed` is after a cut. */
  readonly state: 'sending' | 'resumed' | 'sent' | 'mounted' | 'present'
  readonly sentBytes: number
}

export type PushOptions = {
  readonly layout: Layout
  /** A manifest or an index in the layout. */
  readonly image: Descriptor
  readonly reference: Reference
  readonly registry: Registry
  /** Repositories of the same registry that may have layers of it. */
  readonly mountFrom?: readonly string[]
  readonly onProgress?: (progress: PushProgress) => void
  readonly signal?: AbortSignal | undefined
}

export type Pushed = {
  /** With registry and tag. */
  readonly reference: string
  readonly digest: Digest
  /** Blobs that were transferred. */
  readonly sent: readonly ImageBlob[]
  /** False when the registry had it all, the tag included. */
  readonly isChanged: boolean
}

/** More only compete for the same line. */
const PARALLEL_UPLOADS = 3
/** Less is sent sooner than it is looked for; a function's own layer is nowhere else. */
const MIN_MOUNT_BYTES = 100_000

/** Does only what is missing; may be repeated at any time. */
export async function pushImage(options: PushOptions): Promise<Pushed> {
  const { layout, image, reference, registry, mountFrom = [], onProgress, signal } = options
  const { repository } = reference
  if (reference.digest !== undefined && reference.digest !== image.digest) {
    throw new BrambleError('CONFLICT', `${formatReference(reference)} names another image than the one that was built (${image.digest}): leave the digest out`)
  }
  const { blobs, manifests } = await readImageTree(layout, image)
  const sent: ImageBlob[] = []
  const stopped = new AbortController()
  const until = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal

  const pushBlob = async (blob: ImageBlob): Promise<void> => {
    const what = `the ${blob.kind} ${blob.digest}`
    const report = (state: PushProgress['state'], sentBytes: number): void => onProgress?.({ blob, state, sentBytes })
    if (await hasBlob(registry, repository, blob, `look for ${what} in ${repository}`, until)) return report('present', 0)
    report('sending', 0)
    const result = await uploadBlob({
      registry, repository, layout, blob, what, signal: until,
      mountFrom: await findBlob(registry, mountFrom.filter((one) => one !== repository), blob, until),
      onSent: (bytes) => report('sending', bytes),
      onResumed: (bytes) => report('resumed', bytes),
    })
    if (result === 'sent') sent.push(blob)
    report(result, result === 'sent' ? blob.size : 0)
  }

  const gate = createGate(PARALLEL_UPLOADS)
  const results = await Promise.allSettled(blobs.map(async (blob) => {
    const leave = await gate.enter()
    try {
      until.throwIfAborted()
      await pushBlob(blob)
    } catch (error) {
      // The others end too; the first reason counts.
      stopped.abort(error)
      throw error
    } finally {
      leave()
    }
  }))
  if (results.some(({ status }) => status === 'rejected')) throw until.reason

  let isChanged = sent.length > 0
  const isNew = isChanged
  const put = async (manifest: Descriptor, name: string): Promise<void> => {
    const what = `the manifest ${manifest.digest}`
    const purpose = `push ${what} to ${repository}${name === manifest.digest ? '' : ` as ${name}`}`
    const about = { repository, actions: 'pull,push', target: `manifests/${name}`, purpose, signal }
    const isThere = async (): Promise<boolean> => {
      const { status, headers } = await registry.call({ ...about, method: 'HEAD', accepts: [404], headers: { accept: manifest.mediaType } })
      return status === 200 && headers['docker-content-digest'] === manifest.digest
    }
    // After a new blob, an old manifest would be a rare luck: not worth asking.
    if (!isNew && await isThere()) return
    const body = await readAll(layout.read(manifest))
    const reply = await registry.call({ ...about, method: 'PUT', body, headers: { 'content-type': manifest.mediaType } })
    const digest = reply.headers['docker-content-digest']
    if (digest !== undefined && digest !== manifest.digest) {
      throw new BrambleError('UPSTREAM', `registry ${registry.name} keeps ${what} as ${digest}: it changes what it is given`)
    }
    isChanged = true
  }
  for (const manifest of manifests.slice(0, -1)) await put(manifest, manifest.digest)
  await put(image, reference.tag ?? image.digest)
  return { reference: formatReference(reference), digest: image.digest, sent, isChanged }
}

/** The first of these repositories that has the blob; one that may not be read has not. */
async function findBlob(registry: Registry, repositories: readonly string[], blob: ImageBlob, signal: AbortSignal): Promise<string | undefined> {
  if (blob.size < MIN_MOUNT_BYTES) return undefined
  for (const repository of repositories) {
    const { status } = await registry.call({
      method: 'HEAD', repository, actions: 'pull', target: `blobs/${blob.digest}`, accepts: [403, 404], signal,
      purpose: `look for ${blob.digest} in ${repository}`,
    }).catch((error: unknown) => {
      if (error instanceof BrambleError && (error.code === 'UNAUTHORIZED' || error.code === 'FORBIDDEN')) return { status: 403 }
      throw error
    })
    if (status === 200) return repository
  }
  return undefined
}

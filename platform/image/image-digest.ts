/** Asks an image's registry for the digest of its content, briefly: whoever deploys waits for it. */
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { mediaTypes, type Digest } from './oci.ts'
import { parseDigest } from './parse-oci.ts'
import { parseReference } from './reference.ts'
import type { Registry } from './registry.ts'

/** A registry in the house answers in milliseconds; one on the Internet may be out of reach, and that is fine. */
const PATIENCE_MS = 3_000

/**
 * `undefined` when the registry cannot be reached or does not say: the cluster may know it under another name, or have
 * credentials that the platform has not. `INVALID` when it answers that there is no such image.
 */
export async function readImageDigest(image: string, open: (name: string) => Promise<Registry>, log: Log): Promise<Digest | undefined> {
  const { registry: name, repository, tag, digest } = parseReference(image)
  if (digest !== undefined) return digest
  try {
    const registry = await open(name)
    const { status, headers } = await registry.call({
      method: 'HEAD', repository, actions: 'pull', target: `manifests/${tag}`, purpose: `read the digest of ${image}`, accepts: [404],
      headers: { accept: [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(', ') },
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    if (status === 404) {
      throw new BrambleError('INVALID', `image ${image} is not in its registry: build and push it (bramble up --push), or correct its name`)
    }
    const said = headers['docker-content-digest']
    return typeof said === 'string' ? parseDigest(said, image) : undefined
  } catch (error) {
    if (error instanceof BrambleError && error.code === 'INVALID') throw error
    log.debug('the registry of an image does not say its digest: it is deployed by its tag', { image, error: reasonOf(error) })
    return undefined
  }
}

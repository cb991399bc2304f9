/** Asks registries for images as somebody without a password does: who answers then gives them to everybody. */
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Credentials } from '../image/credentials.ts'
import { mediaTypes } from '../image/oci.ts'
import { parseReference } from '../image/reference.ts'
import { createRegistries } from '../image/registries.ts'
import type { DeploymentBody } from '../stack/deployment.ts'
import type { Finding } from '../stack/finding.ts'
import { readVersion } from './version.ts'

/** Registries on the Internet answer within a second. */
const PATIENCE_MS = 15_000
const nobody: Credentials = { find: async () => undefined }
const anyManifest = [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(', ')

/** An error for each image that is not there or not for everybody; a warning where nobody answers. `insecure`: HOST:PORT that may do without TLS. */
export async function checkPublicImages(bodies: readonly DeploymentBody[], insecure: readonly string[]): Promise<readonly Finding[]> {
  const registries = createRegistries({ credentials: nobody, caFile: undefined, insecure, userAgent: `bramble/${readVersion().release}` })
  const check = async ({ service, image }: DeploymentBody): Promise<readonly Finding[]> => {
    const say = (level: Finding['level'], message: string): readonly Finding[] => [{ level, function: service, field: ['image'], message }]
    try {
      const { registry: name, repository, tag, digest } = parseReference(image)
      const registry = await registries.open(name)
      const { status } = await registry.call({
        method: 'HEAD', repository, actions: 'pull', target: `manifests/${digest ?? tag}`, purpose: `read ${image}`, accepts: [404],
        headers: { accept: anyManifest }, signal: AbortSignal.timeout(PATIENCE_MS),
      })
      return status === 404 ? say('error', `${image} is not in its registry: build and push it (bramble build, bramble push), or correct its name`) : []
    } catch (error) {
      if (!(error instanceof BrambleError)) throw error
      return error.code === 'UNAUTHORIZED' || error.code === 'FORBIDDEN'
        ? say('error', `its registry gives ${image} to nobody without a password, or has it not: push it, and make it public`)
        : say('warning', `nobody knows whether everybody gets ${image}: ${reasonOf(error)}`)
    }
  }
  try {
    return (await Promise.all(bodies.map(check))).flat()
  } finally {
    registries.close()
  }
}

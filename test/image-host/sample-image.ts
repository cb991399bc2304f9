/** Images of random bytes in a layout folder, and a client to push them with. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCredentials } from '../../platform/image/credentials.ts'
import { createLayout, type Layout } from '../../platform/image/layout.ts'
import { mediaTypes, type Descriptor, type Platform } from '../../platform/image/oci.ts'
import { createRegistry, type Registry } from '../../platform/image/registry.ts'

export type Sample = AsyncDisposable & {
  readonly layout: Layout
  /** An index with one manifest for each platform: a base layer of its own, and one layer for all. */
  readonly image: Descriptor
  readonly layers: readonly Descriptor[]
}

export const amd64: Platform = { os: 'linux', architecture: 'amd64' }
export const arm64: Platform = { os: 'linux', architecture: 'arm64' }

export type SampleOptions = {
  readonly layout?: Layout
  readonly platforms?: readonly Platform[]
  readonly bases?: readonly Descriptor[]
  readonly baseBytes?: number
  readonly layerBytes?: number
  readonly workingDir?: string
}

export async function makeSample(options: SampleOptions = {}): Promise<Sample> {
  const { platforms = [arm64, amd64], baseBytes = 300_000, layerBytes = 20_000, workingDir = '/home/function' } = options
  const folder = await mkdtemp(join(tmpdir(), 'bramble-sample-'))
  const layout = options.layout ?? createLayout(join(folder, 'images'))
  const writeLayer = async (bytes: number): Promise<Descriptor> => ({ mediaType: mediaTypes.layerGzip, ...await layout.write(randomBytes(bytes)) })
  const own = await writeLayer(layerBytes)
  const layers: Descriptor[] = [own]
  const manifests: Descriptor[] = []
  for (const [index, platform] of platforms.entries()) {
    const base = options.bases?.[index] ?? await writeLayer(baseBytes)
    layers.push(base)
    const config = await layout.writeJson(mediaTypes.config, {
      ...platform, config: { WorkingDir: workingDir }, rootfs: { type: 'layers', diff_ids: [base.digest, own.digest] }, history: [],
    })
    manifests.push({ ...await layout.writeJson(mediaTypes.manifest, { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [base, own] }), platform })
  }
  const image = await layout.writeJson(mediaTypes.index, { schemaVersion: 2, mediaType: mediaTypes.index, manifests })
  return { layout, image, layers, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

export type ClientOptions = { readonly authFile?: string; readonly ca?: string; readonly isInsecure?: boolean; readonly onRetry?: () => void }

export function openClient(name: string, { authFile, ca, isInsecure, onRetry }: ClientOptions = {}): Registry & AsyncDisposable {
  const registry = createRegistry({
    name, ca, isInsecure, onRetry, userAgent: 'test',
    credentials: createCredentials({ file: authFile, dockerFolder: '/nonexistent', env: {} }),
  })
  return { ...registry, async [Symbol.asyncDispose]() { registry.close() } }
}

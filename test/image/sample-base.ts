/** A base of a few bytes, for two platforms. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBaseImage, type BaseImage } from '../../platform/image/base-image.ts'
import { writeManifest } from '../../platform/image/image.ts'
import { writeLayer } from '../../platform/image/layer.ts'
import { createLayout, type Layout } from '../../platform/image/layout.ts'
import { supportedPlatforms } from '../../platform/image/oci.ts'

export type Workshop = AsyncDisposable & { readonly folder: string; readonly layout: Layout; readonly bases: readonly BaseImage[] }

/** A folder with a layout in which the bases lie. */
export async function openWorkshop(): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-images-'))
  const layout = createLayout(join(folder, 'images'))
  const bases = await Promise.all(supportedPlatforms.map(async (platform) => {
    const layer = await writeLayer(layout, [
      { path: 'usr/local/bin/node', type: 'file', content: Buffer.from(`node for ${platform.architecture}`), mode: 0o755 },
    ])
    const scratch = { ...platform, config: {}, rootfs: { type: 'layers' as const, diff_ids: [] }, history: [] }
    const manifest = await writeManifest({ platform, layers: [], config: scratch }, {
      layout, layers: [layer], created: '2026-01-01T00:00:00Z', createdBy: 'a test',
      config: {
        Env: ['PATH=/usr/local/bin:/bin', 'NODE_ENV=development'], Entrypoint: ['/entrypoint.sh'], Cmd: ['sh'], User: 'root',
        Labels: { 'org.opencontainers.image.title': 'base' },
      },
    })
    return readBaseImage(layout, platform, manifest, 'the base')
  }))
  return { folder, layout, bases, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

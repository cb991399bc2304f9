/** A base as most people have it, to compare with: a whole Debian with apt and a shell, and Node as npm has it. */
import { createReadStream } from 'node:fs'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readBaseImage, type BaseImage } from '../../platform/image/base-image.ts'
import { writeManifest } from '../../platform/image/image.ts'
import { writeLayer } from '../../platform/image/layer.ts'
import type { Layout } from '../../platform/image/layout.ts'
import { readTar } from '../../platform/image/tar.ts'
import { hostPlatform } from './own-bases.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
/** What an image has no use for, and what only a running system has. */
const leftOut = /^(?:dev|proc|sys|run)\/|^var\/(?:lib\/apt\/lists|cache\/apt)\//

/** For this machine; needs root and Debian's mmdebstrap. */
export async function slimBase(layout: Layout): Promise<BaseImage> {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-slim-'))
  try {
    const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
    const archive = join(folder, 'root.tar')
    await run('mmdebstrap', ['--variant=minbase', '--quiet', '--include=ca-certificates,libatomic1,libstdc++6', release, archive])
    const entries = await readTar(createReadStream(archive), archive, (path) => path !== '' && !leftOut.test(path))
    const node = await readFile(join(root, 'node_modules', `node-linux-${process.arch}`, 'bin/node'))
    const layer = await writeLayer(layout, [
      ...entries, { path: 'usr/local/bin/node', type: 'file', mode: 0o755, content: node },
    ])
    const scratch = { ...hostPlatform, config: {}, rootfs: { type: 'layers' as const, diff_ids: [] }, history: [] }
    const manifest = await writeManifest({ platform: hostPlatform, layers: [], config: scratch }, {
      layout, layers: [layer], created: '1980-01-01T00:00:00Z', createdBy: 'mmdebstrap',
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    })
    return await readBaseImage(layout, hostPlatform, manifest, 'a Debian with Node')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

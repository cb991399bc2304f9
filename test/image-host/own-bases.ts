/** The bases that `bramble build` makes here, out of the cache that it keeps; and one with npm, for building inside of an image. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { compose, Readable } from 'node:stream'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import type { BaseImage } from '../../platform/image/base-image.ts'
import { lockedNode, readBaseLock } from '../../platform/image/base-lock.ts'
import { makeBase } from '../../platform/image/base.ts'
import { createDebStore } from '../../platform/image/deb-store.ts'
import { readDeb } from '../../platform/image/deb.ts'
import { writeImage } from '../../platform/image/image.ts'
import { folderEntries, type Layer } from '../../platform/image/layer.ts'
import type { Layout } from '../../platform/image/layout.ts'
import { mediaTypes, type Descriptor, type Platform } from '../../platform/image/oci.ts'
import { tarBytes, type TarEntry } from '../../platform/image/tar.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
export const cacheFolder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'bramble')

/** This machine's, as images name it. */
export const hostPlatform: Platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' }

export async function ownBases(layout: Layout, platforms: readonly Platform[]): Promise<readonly BaseImage[]> {
  const lock = await readBaseLock(join(root, 'platform/image/base.lock.json'))
  const bases: BaseImage[] = []
  for (const platform of platforms) {
    const node = await lockedNode(join(root, 'package-lock.json'), platform)
    bases.push(await makeBase({ platform, lock, node, layout, cacheFolder, debs: createDebStore(cacheFolder) }))
  }
  return bases
}

/** The same as images of their own. */
export async function baseImage(layout: Layout, bases: readonly BaseImage[]): Promise<Descriptor> {
  return writeImage(bases, { layout, layers: [], config: { Cmd: ['node'] }, created: '1980-01-01T00:00:00Z', createdBy: 'base' })
}

/** What npm needs beside Node: a shell, `env`, and their libraries. */
const tools = ['dash', 'coreutils', 'libacl1', 'libattr1', 'libgmp10', 'libselinux1', 'libpcre2-8-0']
const NPM = 'usr/local/lib/node_modules/npm'

/** The base for one platform, with this machine's npm upon it. */
export async function builderImage(layout: Layout, base: BaseImage): Promise<Descriptor> {
  const { platform } = base
  const debs = createDebStore(cacheFolder)
  const entries = new Map<string, TarEntry>()
  for (const deb of await debs.fetch(await debs.newest(tools, platform), platform)) {
    const { entries: found } = await readDeb(deb, (path) => /^(?:usr\/)?(?:bin|lib)\//.test(path))
    for (const entry of found) {
      const path = entry.path.replace(/^(bin|lib)\//, 'usr/$1/')
      if (entry.type !== 'folder') entries.set(path, { ...entry, path })
    }
  }
  const program = await realpath((await run('sh', ['-c', 'command -v npm'])).stdout.trim())
  const link = (path: string, target: string): TarEntry => ({ path, type: 'link', target })
  const layer = await writeFastLayer(layout, [
    ...entries.values(), ...await folderEntries(dirname(dirname(program)), NPM),
    link('bin', 'usr/bin'), ...(entries.has('usr/bin/sh') ? [] : [link('usr/bin/sh', 'dash')]),
    link('usr/local/bin/npm', `/${NPM}/bin/npm-cli.js`),
  ])
  return writeImage([base], {
    layout, layers: [layer], config: { User: '0:0', Cmd: ['node'] }, created: '1980-01-01T00:00:00Z', createdBy: 'npm and a shell',
  })
}

/** Nobody keeps it: quickly packed is better than small. */
async function writeFastLayer(layout: Layout, entries: readonly TarEntry[]): Promise<Layer> {
  const hash = createHash('sha256')
  const hashed = async function* () {
    for await (const chunk of tarBytes(entries)) {
      hash.update(chunk)
      yield chunk
    }
  }
  const blob = await layout.write(compose(Readable.from(hashed()), createGzip({ level: 1 })))
  return { descriptor: { mediaType: mediaTypes.layerGzip, ...blob }, diffId: `sha256:${hash.digest('hex')}` }
}

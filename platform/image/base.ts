/**
 * The shared base: Node, the libraries it is linked with, certificates, users; nothing else, no shell. Made once per
 * platform, and kept in a cache.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { readBaseImage, type BaseImage } from './base-image.ts'
import { lockedDebs, type BaseLock, type LockedNode } from './base-lock.ts'
import { readDeb } from './deb.ts'
import type { DebStore } from './deb-store.ts'
import { diskError } from './disk-error.ts'
import { writeManifest } from './image.ts'
import { COMPRESSION_LEVEL, writeLayer, type Progress } from './layer.ts'
import { createLayout, type Layout } from './layout.ts'
import { digestOf, platformName, type Descriptor, type Platform } from './oci.ts'
import { readNode } from './node-binary.ts'
import type { ReadEntry, TarEntry } from './tar.ts'

export type BaseOptions = {
  readonly platform: Platform
  readonly lock: BaseLock
  readonly node: LockedNode
  readonly debs: DebStore
  /** Where bases and what they are made of stay between builds. */
  readonly cacheFolder: string
  /** Where the base is needed. */
  readonly layout: Layout
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** In the cache. */
export const BASES_FOLDER = 'bases'
/** Part of the cache's key: another recipe makes another base. */
const RECIPE = 1
/** A base has no commit; what is in it is older than its lock file. */
const CREATED = '1980-01-01T00:00:00Z'
/** As in OpenFaaS's own templates, and in this one's Dockerfile. */
const USER = '12000'

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Libraries for tracing and for databases of names that no container has. */
const unusedLibrary = /\/lib(?:BrokenLocale|anl|c_malloc_debug|memusage|nsl|nss_compat|nss_hesiod|pcprofile|thread_db)\.so/
const library = /^(?:usr\/)?lib(?:64)?\/(?:[^/]+-linux-gnu\/)?[^/]+\.so(?:\.\d+)*$/
const certificate = /^usr\/share\/ca-certificates\/.*\.crt$/
const license = /^usr\/share\/doc\/[^/]+(?:\/copyright)?$/

/** The base, in `layout`; out of the cache when it is there and whole. */
export async function makeBase(options: BaseOptions): Promise<BaseImage> {
  const { platform, lock, node, cacheFolder, layout } = options
  const cache = createLayout(join(cacheFolder, BASES_FOLDER))
  const name = baseName(platform, lock, node)
  const open = async (manifest: Descriptor): Promise<BaseImage> => {
    const base = await readBaseImage(cache, platform, manifest, name)
    for (const layer of base.layers) if (!await layout.has(layer)) await layout.write(cache.read(layer), layer)
    return base
  }
  const cached = await cache.find(name)
  if (cached) {
    try {
      return await open(cached)
    } catch (error) {
      // Spoilt or half removed: a cache may be, and is made again.
      if (!(error instanceof BrambleError) || (error.code !== 'INVALID' && error.code !== 'NOT_FOUND')) throw error
    }
  }
  return open(await writeBase(cache, name, options))
}

/** What a base is called in the cache: it holds all that decides its content. */
export function baseName(platform: Platform, lock: BaseLock, node: LockedNode): string {
  return `${platformName(platform)} ${digestOf(JSON.stringify([RECIPE, COMPRESSION_LEVEL, lock.release, lockedDebs(lock, platform), node]))}`
}

async function writeBase(cache: Layout, name: string, options: BaseOptions): Promise<Descriptor> {
  const { platform, lock, node, onProgress } = options
  const layer = await writeLayer(cache, await baseEntries(options), onProgress)
  const scratch = { ...platform, config: {}, rootfs: { type: 'layers' as const, diff_ids: [] }, history: [] }
  const manifest = await writeManifest({ platform, layers: [], config: scratch }, {
    layout: cache,
    layers: [layer],
    config: {
      User: `${USER}:${USER}`,
      Env: [`PATH=${PATH}`],
      Cmd: ['node'],
      WorkingDir: '/',
    },
    created: CREATED,
    createdBy: [`${node.name}@${node.version}`, ...lockedDebs(lock, platform).map((deb) => `${deb.name}=${deb.version}`)].join(' '),
  })
  await cache.tag(name, manifest)
  return manifest
}

/** All that is in it. */
async function baseEntries({ platform, lock, node, debs, cacheFolder, signal }: BaseOptions): Promise<readonly TarEntry[]> {
  await mkdir(cacheFolder, { recursive: true }).catch((error: unknown) => { throw diskError(error, 'the cache', cacheFolder) })
  const locked = lockedDebs(lock, platform)
  const entries: TarEntry[] = []
  const certificates: ReadEntry[] = []
  for (const [index, path] of (await debs.fetch(locked, platform)).entries()) {
    const { entries: found, control } = await readDeb(path, isPartOfBase)
    entries.push(file(`var/lib/dpkg/status.d/${locked[index]?.name}`, control))
    for (const entry of found) {
      if (entry.path.endsWith('.crt')) certificates.push(entry)
      else if (entry.type !== 'folder') entries.push({ ...entry, path: entry.path.replace(/^lib/, 'usr/lib') })
    }
  }
  const { binary, license: text } = await readNode({ platform, node, folder: cacheFolder, signal })
  return [
    ...entries,
    { path: 'usr/local/bin/node', type: 'file', content: binary, mode: 0o755 },
    file('usr/share/doc/node/copyright', text),
    file('etc/ssl/certs/ca-certificates.crt', bundle(certificates)),
    file('etc/passwd', `root:x:0:0:root:/root:/sbin/nologin\napp:x:${USER}:${USER}:app:/home/app:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n`),
    file('etc/group', `root:x:0:\napp:x:${USER}:\nnogroup:x:65534:\n`),
    // Without it the C library asks the DNS before it looks into /etc/hosts.
    file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
    // Scanners read it, and dpkg's records, to know which faults are in the libraries.
    file('etc/os-release', `PRETTY_NAME="Bramble base (${lock.release.id} ${lock.release.version})"\nID=${lock.release.id}\nVERSION_ID="${lock.release.version}"\n`),
    { path: 'tmp', type: 'folder', mode: 0o1777 },
    { path: 'home/app', type: 'folder', mode: 0o755 },
    ...mergedFolders(entries),
  ]
}

function isPartOfBase(path: string): boolean {
  return (library.test(path) && !unusedLibrary.test(path)) || certificate.test(path) || license.test(path)
}

/** /lib is a link to /usr/lib, as in Debian: programs look in either. */
function mergedFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  return ['lib', 'lib64'].filter((name) => entries.some(({ path }) => path.startsWith(`usr/${name}/`)))
    .map((name) => ({ path: name, type: 'link', target: `usr/${name}` }))
}

/** As update-ca-certificates does it. */
function bundle(certificates: readonly ReadEntry[]): string {
  return certificates.toSorted((a, b) => a.path < b.path ? -1 : 1)
    .map((one) => one.type === 'file' ? `${Buffer.from(one.content).toString().trimEnd()}\n` : '').join('')
}

function file(path: string, content: string | Uint8Array): TarEntry {
  return { path, type: 'file', content: Buffer.from(content), mode: 0o644 }
}

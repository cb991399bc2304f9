/** Downloaded Debian packages, each under its hash. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BrambleError, hasCode, reasonOf } from '../lib/errors.ts'
import { createApt } from './apt.ts'
import type { LockedDeb } from './base-lock.ts'
import { diskError } from './disk-error.ts'
import type { Platform } from './oci.ts'

export type DebStore = {
  /** Paths of these packages, in order; what is not there is downloaded first. */
  fetch(debs: readonly LockedDeb[], platform: Platform): Promise<readonly string[]>
  /** The newest versions for a platform. */
  newest(names: readonly string[], platform: Platform): Promise<readonly LockedDeb[]>
}

export function createDebStore(folder: string, signal?: AbortSignal): DebStore {
  const files = join(folder, 'debs')
  const pathOf = ({ sha256 }: LockedDeb): string => join(files, `${sha256}.deb`)
  /** Debian's names of architectures are those of images, for the two that matter. */
  const aptFor = ({ architecture }: Platform) => createApt({ folder: join(folder, 'apt', architecture), architecture, signal })

  return {
    async fetch(debs, platform) {
      const missing: LockedDeb[] = []
      for (const deb of debs) if (await hashOf(pathOf(deb)) !== deb.sha256) missing.push(deb)
      if (missing.length > 0) await download(missing, platform)
      return debs.map(pathOf)
    },
    newest: (names, platform) => aptFor(platform).newest(names),
  }

  async function download(missing: readonly LockedDeb[], platform: Platform): Promise<void> {
    let drafts: string | undefined
    try {
      await mkdir(files, { recursive: true })
      drafts = await mkdtemp(join(folder, 'download-'))
      await aptFor(platform).download(missing, drafts).catch((cause: unknown) => {
        if (signal?.aborted || (cause instanceof BrambleError && cause.code === 'UNSUPPORTED')) throw cause
        const names = missing.map(({ name, version }) => `${name}=${version}`).join(' ')
        throw new BrambleError('UNAVAILABLE', `the Debian packages of the base (${names}) cannot be had: ` +
          `${reasonOf(cause)}\nDebian keeps only the newest versions: ` +
          '"bramble build --update-base" takes those; --base takes an image instead', { cause })
      })
      for (const name of await readdir(drafts)) {
        const hash = await hashOf(join(drafts, name))
        const deb = missing.find(({ sha256 }) => sha256 === hash)
        if (deb) await rename(join(drafts, name), pathOf(deb))
      }
    } catch (error) {
      throw diskError(error, 'a Debian package', folder)
    } finally {
      if (drafts !== undefined) await rm(drafts, { recursive: true, force: true })
    }
    for (const deb of missing) {
      if (await hashOf(pathOf(deb)) === deb.sha256) continue
      throw new BrambleError('INVALID', `${deb.name} ${deb.version} from this machine's apt sources is not the package that is locked ` +
        `(sha256 ${deb.sha256}): do they name Debian? "bramble build --update-base" locks what they have`)
    }
  }
}

async function hashOf(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256').update(await readFile(path)).digest('hex')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

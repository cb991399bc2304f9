/**
 * Snapshots of bundles, named by the hash of their content: a restart runs what was deployed, though `dist` was built
 * again since. A snapshot is durable before its name exists.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BrambleError, hasCode } from '../../lib/errors.ts'
import { createLocks } from '../../lib/locks.ts'
import { ensureFolder, type Files } from '../../lib/files.ts'

export type Bundles = {
  /** Clears what a killed predecessor left half-made; answers the snapshots there are. */
  load(): Promise<ReadonlySet<string>>
  /**
   * The snapshot of the bundle an image stands for. It stays at least until `release`.
   * `INVALID` when there is no such bundle, or it lacks `entry`.
   */
  take(image: string, entry: string | undefined): Promise<{ readonly id: string; release(): void }>
  folderOf(id: string): string
  /** Removes the snapshots that are not in use; answers which. */
  collect(isUsed: (id: string) => boolean): Promise<readonly string[]>
}

/** One file of a bundle: path within it, and whether it may be run. */
type Entry = { readonly path: string; readonly isProgram: boolean }

const TEMPORARY = '.new-'
/** A build that is writing at this moment is given so much time. */
const COPY_TRIES = 5
const COPY_RETRY_MS = 100
const FOLDER_MODE = 0o755

export function createBundles(deps: {
  files: Files; folder: string; functionsDir: string; maxBytes: number
}): Bundles {
  const { files, folder, functionsDir, maxBytes } = deps
  const locks = createLocks()
  const ids = new Set<string>()
  const held = new Map<string, number>()

  const hold = (id: string): { id: string; release(): void } => {
    held.set(id, (held.get(id) ?? 0) + 1)
    let isHeld = true
    return {
      id,
      release() {
        if (!isHeld) return
        isHeld = false
        const left = (held.get(id) ?? 1) - 1
        if (left > 0) held.set(id, left)
        else held.delete(id)
      },
    }
  }

  /** Copies, syncs, and gives the copy its name; the copy is what is hashed, so it is whole or not used. */
  const copy = async (source: string, id: string, entries: readonly Entry[]): Promise<boolean> => {
    const target = join(folder, TEMPORARY + randomBytes(6).toString('hex'))
    try {
      await files.makeFolder(target, FOLDER_MODE)
      const folders = new Set([target])
      for (const { path, isProgram } of entries) {
        for (const parent of parentsOf(path)) {
          if (folders.has(join(target, parent))) continue
          folders.add(join(target, parent))
          await files.makeFolder(join(target, parent), FOLDER_MODE)
        }
        await files.copy(join(source, path), join(target, path), isProgram ? 0o555 : 0o444)
        await files.sync(join(target, path))
      }
      for (const one of folders) await files.sync(one)
      if (await hash(target, entries) !== id) {
        await files.removeTree(target)
        return false
      }
      await files.rename(target, join(folder, id))
      await files.sync(folder)
      return true
    } catch (error) {
      await files.removeTree(target)
      throw error
    }
  }

  const snapshot = async (source: string, name: string): Promise<string> => {
    for (let tries = 1; ; tries++) {
      try {
        const entries = await list(source, name, maxBytes)
        const id = await hash(source, entries)
        // Another function may have the same content.
        const isThere = await locks.exclusive(`content ${id}`, async () => {
          if (!ids.has(id) && !await copy(source, id, entries)) return false
          ids.add(id)
          return true
        })
        if (isThere) return id
      } catch (error) {
        if (!hasCode(error, 'ENOENT') || tries === COPY_TRIES) throw error
      }
      if (tries === COPY_TRIES) {
        throw new BrambleError('UNAVAILABLE', `${source} keeps changing: deploy ${name} again when its build has ended`)
      }
      await delay(COPY_RETRY_MS)
    }
  }

  return {
    async load() {
      await ensureFolder(files, folder, 0o700)
      await files.sync(folder)
      ids.clear()
      for (const name of await files.names(folder)) {
        if (/^[0-9a-f]{64}$/.test(name)) ids.add(name)
        else await files.removeTree(join(folder, name))
      }
      return ids
    },

    async take(image, entry) {
      const name = bundleNameOf(image)
      const source = join(functionsDir, name)
      const found = await readdir(source).catch((error: unknown) => {
        if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined
        throw error
      })
      const missing = found === undefined ? source
        : entry !== undefined && !found.includes(entry) ? join(source, entry) : undefined
      if (missing !== undefined) {
        throw new BrambleError('INVALID',
          `image ${image} means the bundle ${source}, but ${missing} is missing: ` +
          `build it with "npm run build ${name}", or build and deploy with "npx bramble up"`)
      }
      return locks.shared('snapshots', () =>
        // Two deployments of the same bundle at a time: the second finds what the first made.
        locks.exclusive(`bundle ${name}`, async () => hold(await snapshot(source, name))))
    },

    folderOf: (id) => join(folder, id),

    collect: (isUsed) => locks.exclusive('snapshots', async () => {
      const unused = [...ids].filter((id) => !held.has(id) && !isUsed(id))
      for (const id of unused) {
        ids.delete(id)
        // Renamed first: a snapshot is there as a whole or not at all.
        const doomed = join(folder, TEMPORARY + id)
        await files.rename(join(folder, id), doomed)
        await files.removeTree(doomed)
      }
      return unused
    }),
  }
}

/** `registry:5000/team/hello:1.0@sha256:…` → `hello`. */
export function bundleNameOf(image: string): string {
  const path = image.replace(/@.*$/, '')
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/:.*$/, '')
  if (/^[a-z0-9][-._a-z0-9]*$/i.test(name)) return name
  throw new BrambleError('INVALID', `image "${image}" has no name; write it like registry.local/hello:1.0`)
}

/** All files of a bundle, sorted. */
async function list(source: string, name: string, maxBytes: number): Promise<readonly Entry[]> {
  let bytes = 0
  const entries = await readdir(source, { recursive: true, withFileTypes: true })
  const result: Entry[] = []
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) continue
    if (!entry.isFile()) {
      throw new BrambleError('INVALID', `${path} is not a plain file: a bundle holds files only, so build ${name} without links`)
    }
    const { size, mode } = await lstat(path)
    bytes += size
    if (bytes > maxBytes) throw new BrambleError('INVALID', `bundle ${source} is larger than ${maxBytes / 2 ** 20} MiB`)
    result.push({ path: path.slice(source.length + 1), isProgram: (mode & 0o111) !== 0 })
  }
  return result.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function hash(root: string, entries: readonly Entry[]): Promise<string> {
  const all = createHash('sha256')
  for (const { path, isProgram } of entries) {
    const one = createHash('sha256')
    for await (const chunk of createReadStream(join(root, path))) one.update(chunk)
    all.update(JSON.stringify([path, isProgram, one.digest('hex')]) + '\n')
  }
  return all.digest('hex')
}

/** `a/b/c.js` → `a`, `a/b`. */
function parentsOf(path: string): readonly string[] {
  const parent = dirname(path)
  return parent === '.' ? [] : [...parentsOf(parent), parent]
}

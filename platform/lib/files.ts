/**
 * The few file calls that durable state needs, as an interface: so that a test can put a disk underneath that forgets
 * what was not synced. `write`, `copy`, `rename`, `remove` and `makeFolder` may be lost in a power cut until `sync`.
 */
import { copyFile, chmod, mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasCode } from './errors.ts'

export type Files = {
  read(path: string): Promise<Buffer>
  /** Names in a folder, unsorted. */
  names(folder: string): Promise<readonly string[]>
  /** Creates or replaces a file. */
  write(path: string, data: string | Uint8Array, mode: number): Promise<void>
  copy(from: string, to: string, mode: number): Promise<void>
  /** Makes a file's content, or a folder's list of names, survive a power cut. */
  sync(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Removes a folder with all in it; nothing there is fine. */
  removeTree(path: string): Promise<void>
  makeFolder(path: string, mode: number): Promise<void>
}

export const nodeFiles: Files = {
  read: (path) => readFile(path),
  names: (folder) => readdir(folder),
  write: (path, data, mode) => writeFile(path, data, { mode }),
  async copy(from, to, mode) {
    await copyFile(from, to)
    await chmod(to, mode)
  },
  async sync(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  removeTree: (path) => rm(path, { recursive: true, force: true }),
  async makeFolder(path, mode) { await mkdir(path, { mode }) },
}

/**
 * A folder that is there, with all above it, and stays. An existing one is synced too: the process that made it may
 * have been killed before it came so far.
 */
export async function ensureFolder(files: Files, path: string, mode: number): Promise<void> {
  try {
    await files.makeFolder(path, mode)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      await ensureFolder(files, dirname(path), mode)
      await files.makeFolder(path, mode)
    } else if (!hasCode(error, 'EEXIST')) throw error
  }
  await files.sync(dirname(path))
}

/**
 * The few file calls that log and snapshots need, as an interface: so that a test can put a disk underneath that forgets what was
 * not synced. What `write`, `truncate`, `create`, `rename`, `makeFolder` and `remove` did may be lost in a power cut until `sync` or `syncFolder`.
 */
import { constants } from 'node:fs'
import { open, rename, rm, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { nodeFolders } from '@bramble/runtime/service/node-folders'
import { DataError, reasonOf } from './errors.ts'

export type DataFile = {
  size(): Promise<number>
  /** Fills `target` from `offset` on; fewer bytes only at the end of the file. Answers how many. */
  read(target: Uint8Array, offset: number): Promise<number>
  write(parts: readonly Uint8Array[], offset: number): Promise<void>
  /** The same, and it survives a power cut, with the file's length, when it resolves. */
  writeThrough(parts: readonly Uint8Array[], offset: number): Promise<void>
  truncate(size: number): Promise<void>
  /** Makes the content, and its length, survive a power cut. */
  sync(): Promise<void>
  close(): Promise<void>
}

export type DataFiles = {
  /** Names in a folder, unsorted; none where there is no folder. */
  names(folder: string): Promise<readonly string[]>
  /** One that exists is fine. */
  makeFolder(path: string): Promise<void>
  /** Makes the list of names in it survive a power cut. */
  syncFolder(path: string): Promise<void>
  /** A new file; one of that name must not exist. */
  create(path: string): Promise<DataFile>
  open(path: string): Promise<DataFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** With all in it; nothing there is fine. */
  removeTree(path: string): Promise<void>
  /** What the disk of a folder still takes. */
  freeBytes(folder: string): Promise<number>
  /** Holds a folder against other processes until it is released, or the process ends, however it ends. `undefined`: another one holds it. */
  lock(folder: string): Promise<(() => void) | undefined>
  /** Why what is written there does not outlive the machine, in words; `undefined`: it does. */
  whyNotDurable(folder: string): Promise<string | undefined>
}

/** Messages are the service's business alone. */
const FILE_MODE = 0o600
const LOCK_FILE = '.lock'
const SQLITE_BUSY = 5

export const nodeFiles: DataFiles = {
  ...nodeFolders,
  create: async (path) => fileOf(path, await open(path, 'wx+', FILE_MODE)),
  open: async (path) => fileOf(path, await open(path, 'r+')),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  removeTree: (path) => rm(path, { recursive: true, force: true }),
  async lock(folder) {
    // Node has no call for the kernel's lock, but SQLite, which it brings along, takes one for a transaction.
    const database = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 0 })
    try {
      database.exec('BEGIN EXCLUSIVE')
      return () => database.close()
    } catch (error) {
      database.close()
      if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined
      throw new DataError('UNAVAILABLE', `${folder} cannot be locked (${reasonOf(error)}): use a disk of this machine`, { cause: error })
    }
  },
}

function fileOf(path: string, handle: FileHandle): DataFile {
  /** One call that writes and syncs, where two would wait for a thread of the pool twice. */
  let through: FileHandle | undefined
  const writeTo = async (target: FileHandle, parts: readonly Uint8Array[], offset: number): Promise<void> => {
    let at = offset
    const whole = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
    for (let done = 0; done < whole.length;) {
      const { bytesWritten } = await target.write(whole, done, whole.length - done, at)
      done += bytesWritten
      at += bytesWritten
    }
  }
  return {
    size: async () => (await handle.stat()).size,
    async read(target, offset) {
      let done = 0
      while (done < target.length) {
        const { bytesRead } = await handle.read(target, done, target.length - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    },
    write: (parts, offset) => writeTo(handle, parts, offset),
    async writeThrough(parts, offset) {
      through ??= await open(path, constants.O_RDWR | constants.O_DSYNC)
      await writeTo(through, parts, offset)
    },
    truncate: (size) => handle.truncate(size),
    // Times of change need not survive; the length does, and fdatasync keeps it.
    sync: () => handle.datasync(),
    async close() {
      await through?.close()
      await handle.close()
    },
  }
}

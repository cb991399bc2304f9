/**
 * The few file calls that the log needs, as an interface: so that a test can put a disk underneath that forgets what
 * was not synced, or is slow. They block, for they run in a thread of their own. What `write`, `truncate`, `create`,
 * `makeFolder` and `remove` did may be lost in a power cut until `sync` or `syncFolder`.
 */
import { closeSync, existsSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import { hasCode } from '../../lib/errors.ts'

export type LogFile = {
  size(): number
  /** Fills `target` from `offset` on; fewer bytes only at the end of the file. Answers how many. */
  read(target: Buffer, offset: number): number
  write(bytes: Buffer, offset: number): void
  truncate(size: number): void
  /** Makes the content, and its length, survive a power cut. */
  sync(): void
  close(): void
}

export type LogFiles = {
  /** Names in a folder, unsorted. */
  names(folder: string): readonly string[]
  /** One that exists is fine. */
  makeFolder(path: string): void
  /** Makes the list of names in it survive a power cut. */
  syncFolder(path: string): void
  /** A new file; one of that name must not exist. */
  create(path: string): LogFile
  open(path: string): LogFile
  remove(path: string): void
  exists(path: string): boolean
  /** What the disk of a folder still takes; Infinity where it does not say. */
  freeBytes(folder: string): number
}

/** Messages are the callers' business alone. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

export const nodeLogFiles: LogFiles = {
  names: (folder) => readdirSync(folder),
  makeFolder(path) {
    try {
      mkdirSync(path, { mode: FOLDER_MODE })
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  },
  syncFolder(path) {
    const handle = openSync(path, 'r')
    try {
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
  },
  create: (path) => fileOf(openSync(path, 'wx+', FILE_MODE)),
  open: (path) => fileOf(openSync(path, 'r+')),
  remove: (path) => unlinkSync(path),
  exists: (path) => existsSync(path),
  freeBytes(folder) {
    const { blocks, bavail, bsize } = statfsSync(folder)
    return blocks === 0 ? Infinity : bavail * bsize
  },
}

function fileOf(handle: number): LogFile {
  return {
    size: () => fstatSync(handle).size,
    read(target, offset) {
      let done = 0
      while (done < target.length) {
        const count = readSync(handle, target, done, target.length - done, offset + done)
        if (count === 0) break
        done += count
      }
      return done
    },
    write(bytes, offset) {
      for (let done = 0; done < bytes.length;) done += writeSync(handle, bytes, done, bytes.length - done, offset + done)
    },
    truncate: (size) => ftruncateSync(handle, size),
    // Times of change need not survive; the length does, and fdatasync keeps it.
    sync: () => fdatasyncSync(handle),
    close: () => closeSync(handle),
  }
}

/** The disk of this machine. */
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { nodeFolders } from '@bramble/runtime/service/node-folders'
import type { Disk, DiskFile } from './disk.ts'

/** Contents are the service's business alone. */
const FILE_MODE = 0o600

export const nodeDisk: Disk = {
  ...nodeFolders,
  create: async (path) => fileOf(await open(path, 'wx+', FILE_MODE)),
  open: async (path) => fileOf(await open(path, 'r+')),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
}

function fileOf(handle: FileHandle): DiskFile {
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
    async write(parts, offset) {
      const wantedBytes = parts.reduce((sum, { length }) => sum + length, 0)
      const { bytesWritten } = await handle.writev(parts, offset)
      if (bytesWritten === wantedBytes) return
      // A disk that is nearly full takes a part; the next call says what is the matter.
      const rest = Buffer.concat(parts).subarray(bytesWritten)
      for (let done = 0; done < rest.length;) done += (await handle.write(rest, done, rest.length - done, offset + bytesWritten + done)).bytesWritten
    },
    truncate: (size) => handle.truncate(size),
    // Times of change need not survive; the length does, and fdatasync keeps it.
    sync: () => handle.datasync(),
    close: () => handle.close(),
  }
}

/** The disk of this machine. */
import { mkdir, open, readdir, rename, statfs, unlink, type FileHandle } from 'node:fs/promises'
import type { Disk, DiskFile } from './disk.ts'
import { hasCode } from './has-code.ts'

/** Contents are the service's business alone. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/** Types of `statfs` whose content is gone with the container or the power. */
const volatileTypes: Readonly<Record<number, string>> = { 0x0102_1994: 'tmpfs', 0x8584_58f6: 'ramfs', 0x794c_7630: 'overlay' }

export const nodeDisk: Disk = {
  async names(folder) {
    try {
      return await readdir(folder)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return []
      throw error
    }
  },
  async makeFolder(path) { await mkdir(path, { recursive: true, mode: FOLDER_MODE }) },
  async syncFolder(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  create: async (path) => fileOf(await open(path, 'wx+', FILE_MODE)),
  open: async (path) => fileOf(await open(path, 'r+')),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  async freeBytes(folder) {
    const { blocks, bavail, bsize } = await statfs(folder)
    return blocks === 0 ? Infinity : bavail * bsize
  },
  async whyNotDurable(folder) {
    const { type } = await statfs(folder)
    const kind = volatileTypes[type >>> 0]
    return kind === undefined ? undefined : `${folder} lies on ${kind}, which does not outlive its container or the power`
  },
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

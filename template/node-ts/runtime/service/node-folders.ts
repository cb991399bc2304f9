/** What services that keep files do with the folders of this machine's disk. */
import { mkdir, open, readdir, statfs } from 'node:fs/promises'

/** What is kept is the service's business alone. */
const FOLDER_MODE = 0o700
/** Types of `statfs` whose content is gone with the container or the power. */
const volatileTypes: Readonly<Record<number, string>> = { 0x0102_1994: 'tmpfs', 0x8584_58f6: 'ramfs', 0x794c_7630: 'overlay' }

export const nodeFolders = {
  /** Names in a folder, unsorted; none where there is no folder. */
  async names(folder: string): Promise<readonly string[]> {
    try {
      return await readdir(folder)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw error
    }
  },

  /** One that exists is fine. */
  async makeFolder(path: string): Promise<void> { await mkdir(path, { recursive: true, mode: FOLDER_MODE }) },

  /** Makes the list of names in it survive a power cut. */
  async syncFolder(path: string): Promise<void> {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },

  /** What the disk of a folder still takes. */
  async freeBytes(folder: string): Promise<number> {
    const { blocks, bavail, bsize } = await statfs(folder)
    return blocks === 0 ? Infinity : bavail * bsize
  },

  /** Why what is written there does not outlive the machine, in words; `undefined`: it does. */
  async whyNotDurable(folder: string): Promise<string | undefined> {
    const { type } = await statfs(folder)
    const kind = volatileTypes[type >>> 0]
    return kind === undefined ? undefined : `${folder} lies on ${kind}, which does not outlive its container or the power`
  },
}

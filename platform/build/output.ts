/** Files that appear whole or not at all, and are left untouched while their content stays the same. */
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { hasCode } from '../lib/errors.ts'

export type Output = {
  /** Answers whether the content is another one than before. */
  write(path: string, content: string | Uint8Array): Promise<boolean>
  /** By size, mode and time; keeps them. Answers whether it was copied. */
  copy(from: string, to: string): Promise<boolean>
  /** Whether a path is made by the build: in one of the folders, or on the way to it. */
  owns(path: string): boolean
  /** Removes the drafts of this build, and of builds that were killed. */
  cleanUp(): Promise<void>
  /** Where drafts lie until then. */
  readonly scratches: readonly string[]
}

/** File systems keep times in their own grain. */
const SAME_TIME_MS = 1

/** Drafts lie on the disk of what they become: in one of `folders`, but outside of what is made there. */
export function createOutput(folders: readonly [string, ...string[]]): Output {
  const scratchOf = (folder: string): string => join(folder, `.tmp-${process.pid}`)
  const scratches = folders.map(scratchOf)
  let drafts = 0

  const appear = async (path: string, write: (draft: string) => Promise<void>): Promise<void> => {
    const scratch = scratchOf(folders.find((folder) => path.startsWith(folder + sep)) ?? folders[0])
    const draft = join(scratch, String(drafts++))
    await mkdir(scratch, { recursive: true })
    await mkdir(dirname(path), { recursive: true })
    await write(draft)
    await rename(draft, path)
  }

  return {
    scratches,

    async write(path, content) {
      const bytes = Buffer.from(content)
      if ((await readFile(path).catch(() => undefined))?.equals(bytes)) return false
      await appear(path, (draft) => writeFile(draft, bytes))
      return true
    },

    async copy(from, to) {
      const [source, target] = await Promise.all([stat(from), stat(to).catch(() => undefined)])
      const isSame = target?.isFile() && target.size === source.size && target.mode === source.mode
        && Math.abs(target.mtimeMs - source.mtimeMs) < SAME_TIME_MS
      if (isSame) return false
      await appear(to, async (draft) => {
        await copyFile(from, draft)
        await utimes(draft, source.atime, source.mtime)
      })
      return true
    },

    owns: (path) => folders.some((folder) => `${path}${sep}`.startsWith(folder + sep) || `${folder}${sep}`.startsWith(path + sep)),

    async cleanUp() {
      for (const folder of folders) {
        for (const name of await readdir(folder).catch(() => [])) {
          const [, pid] = /^\.tmp-([0-9]+)$/.exec(name) ?? []
          if (pid !== undefined && !isOfAnother(Number(pid))) await rm(join(folder, name), { recursive: true, force: true })
        }
      }
    },
  }
}

/** Whether that process runs and is not this one. */
function isOfAnother(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}

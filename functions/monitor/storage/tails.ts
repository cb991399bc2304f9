/** Tails: numbered files of records. The newest is written to; what a kill has torn is cut off when one is read. */
import { type FileHandle, open, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFolders } from '@bramble/runtime/service/node-folders'
import { framesIn } from './frames.ts'

export type Tails = {
  /** The numbers of those that are there, the oldest first. */
  list(): Promise<readonly number[]>
  /** Its whole records, and the bytes that they take. */
  read(number: number): Promise<{ readonly records: readonly Buffer[]; readonly wholeBytes: number }>
  /** Begins one; nothing more is written to the one before. */
  begin(number: number): Promise<void>
  /** To the one that was begun last. Resolves when all of it is in the file; where it rejects nothing of it is. */
  append(frames: Buffer): Promise<void>
  /** Resolves when all that was appended is on the disk. What fails is tried again the next time. */
  sync(): Promise<void>
  /** Also where there is none. */
  remove(number: number): Promise<void>
  /** Syncs. */
  close(): Promise<void>
}

const NAME = /^(\d{12})\.tail$/

/** The folder must be there. */
export function createTails(folder: string): Tails {
  let newest: { readonly number: number; readonly file: FileHandle; bytes: number } | undefined
  /** Numbers of those with something that may not be on the disk yet. */
  const unsynced = new Set<number>()
  const pathOf = (number: number): string => join(folder, `${String(number).padStart(12, '0')}.tail`)

  const sync = async (): Promise<void> => {
    for (const number of [...unsynced]) {
      unsynced.delete(number)
      try {
        await syncFile(pathOf(number))
      } catch (error) {
        // It was removed meanwhile.
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue
        unsynced.add(number)
        throw error
      }
    }
  }

  return {
    list: async () => (await readdir(folder)).sort().flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number),
    async read(number) {
      const bytes = await readFile(pathOf(number))
      const { records, wholeBytes } = framesIn(bytes)
      if (wholeBytes < bytes.length) await truncate(pathOf(number), wholeBytes)
      unsynced.add(number)
      return { records, wholeBytes }
    },
    async begin(number) {
      const file = await open(pathOf(number), 'a', 0o600)
      try {
        await nodeFolders.syncFolder(folder)
      } catch (error) {
        await file.close()
        throw error
      }
      const former = newest
      newest = { number, file, bytes: 0 }
      // All of it was written; whether it comes to the disk `sync` says.
      await former?.file.close().catch(() => undefined)
    },
    async append(frames) {
      if (newest === undefined) throw new Error('the journal is closed')
      const { number, file, bytes } = newest
      try {
        await file.appendFile(frames)
      } catch (error) {
        // Half a record would hide those after it.
        await file.truncate(bytes).catch(() => undefined)
        throw error
      }
      newest.bytes += frames.length
      unsynced.add(number)
    },
    sync,
    async remove(number) {
      unsynced.delete(number)
      await rm(pathOf(number), { force: true })
    },
    async close() {
      try {
        await sync()
      } finally {
        await newest?.file.close()
        newest = undefined
      }
    },
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

/**
 * Contents as files in a folder: `contents/ab/abcd…`, and what is on its way in `parts/`. A part is synced, then renamed to its content's
 * name, then the folder is synced. It takes the place of a content that is there: the bytes are the same, unless they were damaged.
 */
import { dirname, join } from 'node:path'
import type { Disk, DiskFile } from './disk.ts'
import { hasCode } from './has-code.ts'
import { StoreError } from './store-error.ts'
import type { Part, Store } from './store.ts'

export type FolderStoreDeps = {
  readonly disk: Disk
  /** Empty: there is none, and nothing is written. */
  readonly folder: string
  /** Believe that it is durable, whatever its file system says. */
  readonly trustsFolder: boolean
}

/** Of one read: larger ones are no faster, and each caller holds one or two. */
const READ_BYTES = 64 * 1024
/** 256 folders: a listing of one of them is short. */
const PREFIX_LENGTH = 2

export function createFolderStore({ disk, folder, trustsFolder }: FolderStoreDeps): Store {
  const partsFolder = join(folder, 'parts')
  const contentsFolder = join(folder, 'contents')
  let notDurable: string | undefined = 'it was not started'
  /** Folders of contents whose names survive a power cut. */
  const known = new Set<string>()

  const folderOf = (hash: string): string => join(contentsFolder, hash.slice(0, PREFIX_LENGTH))
  const pathOf = (hash: string): string => join(folderOf(hash), hash)
  const checkDurable = (): void => {
    if (notDurable !== undefined) throw new StoreError('NOT_DURABLE', `nothing is stored, for it would not last: ${notDurable}`)
  }
  const ensureFolder = async (path: string): Promise<void> => {
    if (known.has(path)) return
    await disk.makeFolder(path)
    await disk.syncFolder(contentsFolder)
    known.add(path)
  }
  const removeIfThere = (path: string): Promise<void> => disk.remove(path).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error
  })

  const openIfThere = (path: string): Promise<DiskFile | undefined> => disk.open(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })

  const partOf = (id: string, file: DiskFile, sizeBytes: number): Part => {
    const path = join(partsFolder, id)
    let atBytes = sizeBytes
    // Whoever knows of bytes in it knows that they were synced, and its name with them.
    let isNamed = sizeBytes > 0
    let isClosed = false
    const close = async (): Promise<void> => {
      if (isClosed) return
      isClosed = true
      await file.close()
    }
    return {
      write: (chunks) => orFull(async () => {
        await file.write(chunks, atBytes)
        for (const { length } of chunks) atBytes += length
      }),
      sync: () => orFull(async () => {
        await file.sync()
        if (isNamed) return
        await disk.syncFolder(partsFolder)
        isNamed = true
      }),
      read: (firstByte, endByte) => readFrom(file, firstByte, endByte),
      keep: (hash) => orFull(async () => {
        await file.sync()
        await close()
        await ensureFolder(folderOf(hash))
        await disk.rename(path, pathOf(hash))
        await disk.syncFolder(folderOf(hash))
      }),
      close,
    }
  }

  return {
    async start() {
      if (folder === '') {
        notDurable = 'the function has no volume; give it one (annotation bramble/volume)'
        return
      }
      try {
        for (const path of [partsFolder, contentsFolder]) await disk.makeFolder(path)
        for (const path of [dirname(folder), folder, contentsFolder]) await disk.syncFolder(path)
      } catch (error) {
        notDurable = `${folder} cannot be written (${error instanceof Error ? error.message : String(error)})`
        return
      }
      for (const name of await disk.names(contentsFolder)) known.add(join(contentsFolder, name))
      notDurable = trustsFolder ? undefined : await disk.whyNotDurable(folder)
    },

    whyNotDurable: () => notDurable,
    freeBytes: () => disk.freeBytes(folder),

    async openPart(id, sizeBytes) {
      checkDurable()
      const path = join(partsFolder, id)
      const file = await openIfThere(path)
      if (file === undefined) {
        if (sizeBytes > 0) throw new StoreError('MISSING', `the part ${id} is not there`)
        return partOf(id, await orFull(() => disk.create(path)), 0)
      }
      try {
        if (await file.size() < sizeBytes) throw new StoreError('MISSING', `the part ${id} has lost some of its bytes`)
        await file.truncate(sizeBytes)
      } catch (error) {
        await file.close()
        throw error
      }
      return partOf(id, file, sizeBytes)
    },

    removePart: (id) => removeIfThere(join(partsFolder, id)),
    parts: () => disk.names(partsFolder),

    async sizeOf(hash) {
      const file = await openIfThere(pathOf(hash))
      try {
        return await file?.size()
      } finally {
        await file?.close()
      }
    },

    async *read(hash, firstByte, endByte) {
      const file = await openIfThere(pathOf(hash))
      if (file === undefined) throw new StoreError('MISSING', `the content ${hash} is not there`)
      try {
        yield* readFrom(file, firstByte, endByte)
      } finally {
        await file.close()
      }
    },

    async *contents() {
      for (const prefix of await disk.names(contentsFolder)) yield* await disk.names(join(contentsFolder, prefix))
    },

    remove: (hash) => removeIfThere(pathOf(hash)),
  }
}

async function* readFrom(file: DiskFile, firstByte: number, endByte: number): AsyncGenerator<Uint8Array> {
  for (let at = firstByte; at < endByte;) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, endByte - at))
    const count = await file.read(buffer, at)
    if (count === 0) throw new StoreError('MISSING', `a file ends at byte ${at}, before byte ${endByte}`)
    yield buffer.subarray(0, count)
    at += count
  }
}

async function orFull<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) throw new StoreError('FULL', 'the disk is full', { cause: error })
    throw error
  }
}

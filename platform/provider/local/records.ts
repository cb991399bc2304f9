/**
 * A folder of small JSON files, one per key. `put` and `remove` are durable when they resolve: the new content is
 * synced under a name of its own, takes the place of the old one in one step, and the folder is synced.
 */
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { hasCode, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { ensureFolder, type Files } from '../../lib/files.ts'

/** Secret names and namespaces together may be longer than a file name; those get the hash of their key. */
const MAX_NAME_LENGTH = 200
const TEMPORARY = '.new'
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/** Files read at a time at the start: enough to hide their latency, few enough for any limit of open files. */
const READ_AT_ONCE = 64

export type Records<T> = {
  /** Everything there is. A file that makes no sense is reported and moved to `setAside`, and the others are read. */
  load(): Promise<readonly T[]>
  put(value: T): Promise<void>
  remove(key: string): Promise<void>
  /** Whether memory and disk surely agree on this key: not after a write that failed half-way. */
  isSettled(key: string): boolean
}

export type RecordsDeps<T> = {
  readonly files: Files
  readonly folder: string
  readonly setAside: string
  readonly log: Log
  readonly keyOf: (value: T) => string
  readonly toJson: (value: T) => unknown
  /** Throws what makes it unreadable. */
  readonly parse: (json: unknown) => T
}

export function createRecords<T>(deps: RecordsDeps<T>): Records<T> {
  const { files, folder, setAside, log, keyOf, toJson, parse } = deps
  const doubtful = new Set<string>()

  const readOne = async (name: string): Promise<T | undefined> => {
    const path = join(folder, name)
    try {
      const json: unknown = JSON.parse((await files.read(path)).toString('utf8'))
      const value = parse(json)
      if (fileNameOf(keyOf(value)) !== name) throw new Error(`it holds ${keyOf(value)}`)
      return value
    } catch (error) {
      const target = join(setAside, `${name.slice(0, MAX_NAME_LENGTH)}-${randomBytes(4).toString('hex')}`)
      await files.rename(path, target)
      log.error('stored file is unreadable and was set aside', { file: path, movedTo: target, error: reasonOf(error) })
      return undefined
    }
  }

  const change = async (key: string, body: () => Promise<void>): Promise<void> => {
    doubtful.add(key)
    await body()
    await files.sync(folder)
    doubtful.delete(key)
  }

  return {
    async load() {
      await ensureFolder(files, folder, FOLDER_MODE)
      await ensureFolder(files, setAside, FOLDER_MODE)
      // What a killed predecessor renamed but did not sync is believed from now on, so it must stay.
      await files.sync(folder)
      const names = await files.names(folder)
      await Promise.all(names.filter((name) => name.endsWith(TEMPORARY)).map((name) => files.remove(join(folder, name))))
      const queue = names.filter((name) => !name.endsWith(TEMPORARY)).sort()
      const found: T[] = []
      await Promise.all(Array.from({ length: READ_AT_ONCE }, async () => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          const value = await readOne(name)
          if (value !== undefined) found.push(value)
        }
      }))
      return found
    },

    put: (value) => change(keyOf(value), async () => {
      const path = join(folder, fileNameOf(keyOf(value)))
      await files.write(path + TEMPORARY, JSON.stringify(toJson(value)), FILE_MODE)
      await files.sync(path + TEMPORARY)
      await files.rename(path + TEMPORARY, path)
    }),

    remove: (key) => change(key, async () => {
      try {
        await files.remove(join(folder, fileNameOf(key)))
      } catch (error) {
        // Gone already when an earlier try failed after this step.
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }),

    isSettled: (key) => !doubtful.has(key),
  }
}

function fileNameOf(key: string): string {
  return key.length <= MAX_NAME_LENGTH ? key : createHash('sha256').update(key).digest('hex')
}

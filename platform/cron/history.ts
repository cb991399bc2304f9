/**
 * What is known of each job's runs, kept in one file: written under another name, synced, put in place of the old one,
 * and the folder synced. Changes that come while it is being written share the next writing.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { hasCode, reasonOf } from '../lib/errors.ts'
import type { Files } from '../lib/files.ts'
import type { Log } from '../lib/log.ts'
import { parseRecords, type JobRecord } from './record.ts'

/** The few file calls it needs. */
export type HistoryFiles = Pick<Files, 'read' | 'write' | 'sync' | 'rename'>

export type History = {
  /** Reads what there is; what makes no sense is set aside, and reported. Runs that had not ended are interrupted. */
  load(): Promise<void>
  get(id: string): JobRecord | undefined
  /** Durable when it resolves. */
  save(record: JobRecord): Promise<void>
  /** Durable soon, or with the next `save`. */
  note(record: JobRecord): void
  /** Forgets all others. */
  keepOnly(ids: ReadonlySet<string>): void
  /** Everything noted is durable. */
  stop(): Promise<void>
}

export type HistoryDeps = {
  readonly files: HistoryFiles
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

const FILE_MODE = 0o600
/** How long a note may wait for company: an SD card does not like a sync for each run. */
const NOTE_MS = 1_000

export function createHistory({ files, path, clock, log }: HistoryDeps): History {
  let records = new Map<string, JobRecord>()
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  let cancelNote: (() => void) | undefined

  const write = async (): Promise<void> => {
    cancelNote?.()
    cancelNote = undefined
    await files.write(`${path}.new`, JSON.stringify({ version: 1, jobs: [...records.values()] }), FILE_MODE)
    await files.sync(`${path}.new`)
    await files.rename(`${path}.new`, path)
    await files.sync(dirname(path))
  }
  /** The next writing that begins holds whatever is in `records` now. */
  const persist = (): Promise<void> => {
    next ??= writing.catch(() => undefined).then(() => {
      writing = write()
      next = undefined
      return writing
    })
    return next
  }
  const persistSoon = (): void => {
    cancelNote ??= clock.after(NOTE_MS, () => {
      cancelNote = undefined
      persist().catch((error: unknown) => log.error('runs could not be stored', { file: path, error: reasonOf(error) }))
    })
  }

  return {
    async load() {
      try {
        const json: unknown = JSON.parse((await files.read(path)).toString('utf8'))
        records = new Map(parseRecords(json).map((record) => [record.id, record]))
      } catch (error) {
        records = new Map()
        if (hasCode(error, 'ENOENT')) return
        const aside = `${path}.unreadable-${randomBytes(4).toString('hex')}`
        await files.rename(path, aside)
        log.error('stored runs are unreadable and were set aside', { file: path, movedTo: aside, error: reasonOf(error) })
      }
    },
    get: (id) => records.get(id),
    save(record) {
      records.set(record.id, record)
      return persist()
    },
    note(record) {
      records.set(record.id, record)
      persistSoon()
    },
    keepOnly(ids) {
      for (const id of records.keys()) {
        if (ids.has(id)) continue
        records.delete(id)
        persistSoon()
      }
    },
    async stop() {
      await (cancelNote === undefined ? next ?? writing : persist())
    },
  }
}

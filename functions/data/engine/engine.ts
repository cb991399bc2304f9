/**
 * Databases that survive: each one runs SQLite (sql.js) in a thread of its own, and what a commit changed in its file is
 * durable in a log before the caller is told.
 */
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { folderTarget, httpTarget, type CopyTarget } from './copy-target.ts'
import { DataError, hasCode, reasonOf } from './errors.ts'
import { nodeFiles, type DataFiles } from './files.ts'
import { createHeapBudget } from './heap.ts'
import { defaultLimits, IDLE_MS, LARGE_IDLE_MS, type EngineLimits } from './limits.ts'
import { monotonicMs } from './monotonic.ts'
import { createStoredDatabase, type StoredDatabase } from './stored-database.ts'
import type {
  Backup, DatabaseInfo, EngineCounts, Execution, ExecutionAnswer, Migration, MigrationAnswer, Query, QueryAnswer, RestoreAnswer, RestoreTarget,
} from './types.ts'

export type EngineLog = {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

export type EngineSettings = {
  /** On the function's volume; empty: there is none, and writes are refused. */
  readonly folder: string
  /** Believe that the folder is durable though its file system (overlay, tmpfs) says that it is not. */
  readonly trustsFolder?: boolean | undefined
  readonly limits?: Partial<EngineLimits> | undefined
  /** When a database is closed that nobody asks. */
  readonly idleMs?: number | undefined
  /** Copies of all databases off this board. */
  readonly copies?: CopySettings | undefined
}

export type CopySettings = {
  /** A folder, or a URL with `{key}` in it for HTTP PUT. */
  readonly to: string
  readonly everyMs: number
  /** Sent as the header of that name. */
  readonly authorization?: string | undefined
}

/**
 * All reject with `DataError`. Names of databases: `[a-z_][a-z0-9_-]{0,62}`; those that begin with `_` are for the service
 * itself. A call opens its database when it is closed.
 */
export type Engine = {
  /** Finds what is in the folder; opens nothing. Waits while another process has it. */
  start(): Promise<void>
  /** Lets what runs finish, makes it durable and closes all. */
  stop(): Promise<void>
  list(): readonly DatabaseInfo[]
  get(name: string): DatabaseInfo | undefined
  /** One that is there is fine; `isNew` tells. Durable when it answers. */
  create(name: string): Promise<{ readonly isNew: boolean }>
  /** With its log, its snapshots and all. `NOT_FOUND` when there is none. */
  remove(name: string): Promise<void>
  /** One statement that cannot change anything. What it has seen is durable. */
  query(name: string, query: Query): Promise<QueryAnswer>
  /** All statements or none; durable when it answers. */
  execute(name: string, execution: Execution): Promise<ExecutionAnswer>
  /** Runs those that have not run, each in a transaction of its own; `CONFLICT` when one that has run is not the same any more. */
  migrate(name: string, migrations: readonly Migration[]): Promise<MigrationAnswer>
  /** The content as it is between two transactions. It holds a place in memory until it is read or its iterator is closed. */
  backup(name: string): Promise<Backup>
  /** Puts this SQLite file in the place of the content, as one change: it can be undone by `restoreTo`. */
  restore(name: string, content: AsyncIterable<Uint8Array>): Promise<RestoreAnswer>
  /** Puts an earlier state in the place of the content, as one change; a damaged database is served again. */
  restoreTo(name: string, target: RestoreTarget): Promise<RestoreAnswer>
  counts(): Readonly<EngineCounts>
}

export type EngineDeps = {
  readonly settings: EngineSettings
  readonly log: EngineLog
  /** For tests: another disk, another clock. */
  readonly files?: DataFiles
  readonly nowMs?: () => number
}

const namePattern = /^[a-z_][a-z0-9_-]{0,62}$/
/** A folder that begins so is a database that is being removed. */
const REMOVED = '.removed-'
/** As long as the service before this one may take to stop. */
const LOCK_WAIT_MS = 30_000
const LOCK_RETRY_MS = 50

export function createEngine({ settings, log, files = nodeFiles, nowMs = Date.now }: EngineDeps): Engine {
  const limits: EngineLimits = { ...defaultLimits, ...settings.limits }
  const counts: EngineCounts = { queries: 0, transactions: 0, timeouts: 0, rebuilds: 0, syncs: 0, records: 0, writtenBytes: 0, snapshots: 0, copiedBytes: 0, failedCopies: 0 }
  const heaps = createHeapBudget(limits.heapBytes)
  const databases = new Map<string, StoredDatabase>()
  /** Names that are being created or removed. */
  const changing = new Map<string, Promise<unknown>>()
  let notDurable: string | undefined
  let isStarted = false
  let unlock: (() => void) | undefined
  let idleTimer: NodeJS.Timeout | undefined

  const targetOf = ({ to, authorization }: CopySettings): CopyTarget => /^https?:/.test(to) ? httpTarget(to, authorization) : folderTarget(files, to)
  const add = (name: string): StoredDatabase => {
    const database = createStoredDatabase({
      name, folder: join(settings.folder, name), files, limits, counts, nowMs, heaps, copying: settings.copies && { target: targetOf(settings.copies), everyMs: settings.copies.everyMs },
      report: (level, message, fields) => log[level](message, fields),
    })
    databases.set(name, database)
    database.start()
    return database
  }
  const find = (name: string): StoredDatabase => {
    if (!isStarted) throw new DataError('UNAVAILABLE', 'the databases are not open')
    const database = databases.get(name)
    if (database === undefined) throw new DataError('NOT_FOUND', `there is no database ${JSON.stringify(name)}: create it first`)
    return database
  }
  const checkDurable = (): void => {
    if (notDurable !== undefined) throw new DataError('NOT_DURABLE', `nothing is written, for it would not last: ${notDurable}`)
  }
  /** Creating and removing the same name, one after the other. */
  const inTurn = <T>(name: string, body: () => Promise<T>): Promise<T> => {
    const mine = (changing.get(name) ?? Promise.resolve()).then(body, body)
    const settled = mine.then(() => undefined, () => undefined).finally(() => {
      if (changing.get(name) === settled) changing.delete(name)
    })
    changing.set(name, settled)
    return mine
  }
  /** The service before this one may still be on its way out. */
  const lock = async (): Promise<() => void> => {
    for (const startMs = monotonicMs(); monotonicMs() - startMs < LOCK_WAIT_MS;) {
      const release = await files.lock(settings.folder)
      if (release !== undefined) return release
      await pause(LOCK_RETRY_MS)
    }
    throw new DataError('UNAVAILABLE', `another process uses ${settings.folder}: stop it, or give this one a folder of its own`)
  }
  const whyNotDurable = async (): Promise<string | undefined> => {
    if (settings.folder === '') return 'the function has no volume; give it one (annotation bramble/volume) and set the folder to it'
    try {
      await files.makeFolder(settings.folder)
      await files.syncFolder(dirname(settings.folder))
    } catch (error) {
      return `${settings.folder} cannot be written (${reasonOf(error)})`
    }
    return settings.trustsFolder === true ? undefined : await files.whyNotDurable(settings.folder)
  }

  return {
    async start() {
      if (isStarted) return
      notDurable = await whyNotDurable()
      if (notDurable !== undefined) log.warn('writes are refused', { reason: notDurable })
      if (notDurable === undefined) unlock = await lock()
      const names = settings.folder === '' ? [] : await files.names(settings.folder)
      for (const name of names.filter((one) => one.startsWith(REMOVED))) await files.removeTree(join(settings.folder, name))
      for (const name of names.filter((one) => namePattern.test(one))) add(name)
      const idleMs = settings.idleMs ?? IDLE_MS
      idleTimer = setInterval(() => { for (const one of databases.values()) one.closeIfIdle(idleMs) }, Math.min(idleMs, LARGE_IDLE_MS) / 4)
      idleTimer.unref()
      isStarted = true
    },
    async stop() {
      isStarted = false
      clearInterval(idleTimer)
      await Promise.all(changing.values())
      await Promise.all([...databases.values()].map((one) => one.close()))
      databases.clear()
      unlock?.()
      unlock = undefined
    },
    list: () => [...databases.values()].map((one) => one.info()).sort((a, b) => a.name < b.name ? -1 : 1),
    get: (name) => databases.get(name)?.info(),
    create: (name) => inTurn(name, async () => {
      if (!namePattern.test(name)) throw new DataError('INVALID', `${JSON.stringify(name)} cannot name a database: a to z, 0 to 9, "_" and "-" only, beginning with a letter, at most 63`)
      if (!isStarted) throw new DataError('UNAVAILABLE', 'the databases are not open')
      checkDurable()
      if (databases.has(name)) return { isNew: false }
      if (databases.size >= limits.databases) throw new DataError('TOO_LARGE', `there are ${limits.databases} databases, which is the limit: remove one, or raise it`)
      try {
        await files.makeFolder(join(settings.folder, name))
        await files.syncFolder(settings.folder)
      } catch (error) {
        throw new DataError(hasCode(error, 'ENOSPC') ? 'DISK_FULL' : 'UNAVAILABLE', `database ${name} cannot be created: ${reasonOf(error)}`, { cause: error })
      }
      add(name)
      return { isNew: true }
    }),
    remove: (name) => inTurn(name, async () => {
      checkDurable()
      const database = find(name)
      databases.delete(name)
      await database.close()
      const removed = join(settings.folder, `${REMOVED}${name}`)
      await files.removeTree(removed)
      await files.rename(join(settings.folder, name), removed)
      await files.syncFolder(settings.folder)
      await files.removeTree(removed)
    }),
    query: async (name, query) => await find(name).query(query),
    async execute(name, execution) {
      checkDurable()
      return await find(name).execute(execution)
    },
    async migrate(name, migrations) {
      checkDurable()
      return await find(name).migrate(migrations)
    },
    backup: async (name) => await find(name).backup(),
    async restore(name, content) {
      checkDurable()
      return await find(name).restore(content)
    },
    async restoreTo(name, target) {
      checkDurable()
      return await find(name).restoreTo(target)
    },
    counts: () => counts,
  }
}

/** One database with what is stored of it: calls, snapshots in the background, backups, and the ways back to an earlier state. */
import { createHash } from 'node:crypto'
import { createCopies } from './copies.ts'
import type { CopyTarget } from './copy-target.ts'
import { createDatabase, type Database } from './database.ts'
import { DataError, reasonOf } from './errors.ts'
import { createFileLog, SEGMENT_BYTES } from './file-log.ts'
import type { DataFiles } from './files.ts'
import type { HeapBudget } from './heap.ts'
import { createHistory } from './history.ts'
import { LARGE_HEAP_BYTES, LARGE_IDLE_MS, type EngineLimits } from './limits.ts'
import { monotonicMs } from './monotonic.ts'
import { createPagedFile, type PagedFile } from './paged-file.ts'
import { createSnapshots } from './snapshots.ts'
import type {
  Backup, DatabaseInfo, EngineCounts, Execution, ExecutionAnswer, Migration, MigrationAnswer, Query, QueryAnswer, RestoreAnswer, RestorePoint, RestoreTarget,
} from './types.ts'

export type StoredDatabase = {
  info(): DatabaseInfo
  query(query: Query): Promise<QueryAnswer>
  execute(execution: Execution): Promise<ExecutionAnswer>
  migrate(migrations: readonly Migration[]): Promise<MigrationAnswer>
  backup(): Promise<Backup>
  restore(content: AsyncIterable<Uint8Array>): Promise<RestoreAnswer>
  restoreTo(target: RestoreTarget): Promise<RestoreAnswer>
  /** Begins to copy, when there is a place for copies; opens the database. */
  start(): void
  /** Gives its memory back when nobody has asked it for so long. */
  closeIfIdle(idleMs: number): void
  close(): Promise<void>
}

export type StoredDatabaseDeps = {
  readonly name: string
  /** There already, and there to stay. */
  readonly folder: string
  readonly files: DataFiles
  readonly limits: EngineLimits
  readonly heaps: HeapBudget
  readonly counts: EngineCounts
  readonly nowMs: () => number
  /** Where copies go, and how often. */
  readonly copying: { readonly target: CopyTarget; readonly everyMs: number } | undefined
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Copied out of the thread at once, between two calls: well under a millisecond of its time. */
const SLICE_BYTES = 2 ** 20
/** For the engine's own work on a whole database. */
const OWN_TIMEOUT_MS = 120_000
/** How a SQLite file begins. */
const HEAD = 'SQLite format 3\0'
/** Each one holds the pages that change while it is read. */
const MAX_BACKUPS = 8
/** After a snapshot that failed, most likely for want of room. */
const SNAPSHOT_PAUSE_MS = 30_000

export function createStoredDatabase(deps: StoredDatabaseDeps): StoredDatabase {
  const { name, folder, files, limits, counts, nowMs, report } = deps
  // Smaller than what a snapshot makes superfluous: only whole segments are given back.
  const segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(limits.snapshotEveryBytes / 4))
  const log = createFileLog({ files, folder, segmentBytes, report: (message, fields) => report('warn', message, { database: name, ...fields }) })
  const snapshots = createSnapshots({ files, folder })
  const history = createHistory({ log, snapshots, report: (message, fields) => report('error', message, { database: name, ...fields }) })
  let sinceSnapshotBytes = 0
  let pausedUntilMs = 0
  let oldest: RestorePoint | undefined
  let lastView = 0
  let backups = 0
  /** Nothing new is begun; then nothing at all. */
  let isClosing = false
  let isShut = false
  let usedMs = monotonicMs()
  /** What works on snapshots and log, one after the other. */
  let busy: Promise<unknown> = Promise.resolve()
  let snapshotting: Promise<void> | undefined

  const database = createDatabase({
    name, databaseBytes: limits.databaseBytes, heaps: deps.heaps, maxWaiting: limits.waiting, log, history, counts, nowMs, report,
    prepare: () => snapshots.open(),
    onDurable(bytes) {
      sinceSnapshotBytes += bytes
      considerSnapshot()
    },
    onOpened(bytes) {
      sinceSnapshotBytes = bytes
      history.oldest().then((point) => { oldest = point }, () => { oldest = undefined })
      considerSnapshot()
    },
  })
  const run: Database['run'] = async (job, timeoutMs) => {
    if (isShut) throw new DataError('UNAVAILABLE', `database ${name} is closed: the service stops`)
    return await database.run(job, timeoutMs)
  }
  const exclusively = <T>(body: () => Promise<T>): Promise<T> => {
    const mine = busy.then(body, body)
    busy = mine.catch(() => undefined)
    return mine
  }
  async function* slices(view: number): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { value } = await run({ kind: 'slice', view, bytes: SLICE_BYTES }, OWN_TIMEOUT_MS)
      if (value.length === 0) return
      yield value
    }
  }
  const closeView = (view: number): void => {
    run({ kind: 'close view', view }, OWN_TIMEOUT_MS).catch(() => undefined)
  }
  const takeSnapshot = async (): Promise<void> => {
    const view = ++lastView
    const { point } = await run({ kind: 'view', view }, OWN_TIMEOUT_MS)
    const writtenBefore = sinceSnapshotBytes
    try {
      const { sizeBytes } = await snapshots.write(point, slices(view))
      sinceSnapshotBytes -= writtenBefore
      counts.snapshots++
      report('info', 'a snapshot was written', { database: name, record: point.record, bytes: sizeBytes })
    } finally {
      closeView(view)
    }
    await history.prune(limits, nowMs())
    oldest = await history.oldest()
  }
  function considerSnapshot(): void {
    const due = Math.max(limits.snapshotEveryBytes, database.sizeBytes())
    if (snapshotting !== undefined || isClosing || sinceSnapshotBytes < due || nowMs() < pausedUntilMs) return
    snapshotting = exclusively(takeSnapshot).catch((error: unknown) => {
      pausedUntilMs = nowMs() + SNAPSHOT_PAUSE_MS
      report('error', 'a snapshot was not written', { database: name, error: reasonOf(error) })
    }).finally(() => { snapshotting = undefined })
  }

  const copies = deps.copying && createCopies({ name, folder, files, log, snapshots, target: deps.copying.target, nowMs, counts, record: () => database.point().record })
  let copyTimer: NodeJS.Timeout | undefined
  /** One after the other, for ever. */
  const copyRounds = async (everyMs: number): Promise<void> => {
    try {
      // Closed with nothing that is not copied: it stays closed.
      if (database.state() === 'closed' && copies?.isComplete() === true) {
        copies.confirm()
      } else {
        if (database.state() !== 'open') await run({ kind: 'drop parts' }, OWN_TIMEOUT_MS)
        await exclusively(async () => isClosing ? undefined : copies?.round())
      }
    } catch (error) {
      counts.failedCopies++
      report('error', 'a database was not copied; it is tried again', { database: name, error: reasonOf(error) })
    }
    if (!isClosing) copyTimer = setTimeout(() => void copyRounds(everyMs), everyMs)
  }

  const checkSize = (size: number): void => {
    if (size > limits.databaseBytes) throw new DataError('TOO_LARGE', `the file is larger than ${limits.databaseBytes} bytes, the limit of database ${name}`)
  }
  const replaceBy = async (parts: AsyncIterable<Uint8Array>): Promise<RestoreAnswer> => {
    await run({ kind: 'drop parts' }, OWN_TIMEOUT_MS)
    let size = 0
    for await (const part of parts) {
      checkSize(size + part.length)
      // Of its own: a piece of a larger buffer would be copied with all around it.
      await run({ kind: 'part', offset: size, bytes: new Uint8Array(part) }, OWN_TIMEOUT_MS)
      size += part.length
    }
    const { value, point } = await run({ kind: 'replace', size }, OWN_TIMEOUT_MS)
    return { record: point.record, sizeBytes: value.size }
  }
  const stateAt = async (target: RestoreTarget): Promise<{ file: PagedFile; point: RestorePoint }> => {
    let file = createPagedFile()
    const point = await history.replay({
      begin() { file = createPagedFile() },
      load(bytes, offset) {
        file.write(bytes, offset)
        file.dropChanges()
      },
      apply: (changes) => { for (const one of changes) file.apply(one) },
    }, target)
    return { file, point }
  }
  /** In place of a log that cannot be read to its end: a state becomes a snapshot, and what came after it lies aside. */
  const recover = (stateOf: () => Promise<{ readonly file: PagedFile; readonly point: RestorePoint }>): Promise<RestoreAnswer> => database.whileClosed(async () => {
    const { file, point } = await stateOf()
    const record = Math.max(await log.next(), (snapshots.list().at(-1)?.record ?? 0) + 1)
    const sizeBytes = file.size()
    await snapshots.write({ record, timeMs: Math.max(nowMs(), point.timeMs) }, parts(file))
    await log.setAside(point.record + 1)
    return { record, sizeBytes }
  })
  const uploaded = async (content: AsyncIterable<Uint8Array>): Promise<{ file: PagedFile; point: RestorePoint }> => {
    const file = createPagedFile()
    for await (const part of content) {
      checkSize(file.size() + part.length)
      file.write(part, file.size())
      file.dropChanges()
    }
    const head = Buffer.alloc(HEAD.length)
    file.read(head, 0)
    if (file.size() > 0 && head.toString('latin1') !== HEAD) throw new DataError('INVALID', 'the file is no SQLite database')
    return { file, point: { record: 0, timeMs: 0 } }
  }
  /** A closed database has to be opened to know how it is. */
  const isDamaged = async (): Promise<boolean> => {
    if (database.state() === 'closed') await run({ kind: 'drop parts' }, OWN_TIMEOUT_MS).catch(() => undefined)
    return database.state() === 'damaged'
  }
  const ageSeconds = (atMs: number | undefined): number | undefined => atMs === undefined ? undefined : Math.max(0, nowMs() - atMs) / 1000

  return {
    info: () => ({
      name, state: database.state(), problem: database.problem(), writesRefused: database.writesRefused(),
      sizeBytes: database.sizeBytes(), sizeLimitBytes: limits.databaseBytes, record: database.point().record, oldestRestorable: oldest,
      logBytes: log.bytes(), snapshotBytes: snapshots.bytes(), waiting: database.waiting(), copyAgeSeconds: ageSeconds(copies?.completeAtMs()),
    }),
    async query({ sql, parameters, rowLimit = limits.rows, timeoutMs = limits.timeoutMs }) {
      usedMs = monotonicMs()
      counts.queries++
      const rows = Math.min(rowLimit, limits.rows)
      const { value, point } = await run({ kind: 'query', sql, parameters, rows, bytes: limits.resultBytes }, Math.min(timeoutMs, limits.timeoutMs))
      return { result: value, record: point.record }
    },
    async execute({ statements, rowLimit = limits.rows, timeoutMs = limits.timeoutMs }) {
      usedMs = monotonicMs()
      counts.transactions++
      const rows = Math.min(rowLimit, limits.rows)
      const { value, point } = await run({ kind: 'execute', statements, rows, bytes: limits.resultBytes }, Math.min(timeoutMs, limits.timeoutMs))
      return { results: value, record: point.record }
    },
    async migrate(migrations) {
      const applied: string[] = []
      const skipped: string[] = []
      let record = database.point().record
      for (const migration of migrations) {
        const hash = createHash('sha256').update(migration.sql).digest('hex')
        const { value, point } = await run({ kind: 'migrate', migration, hash }, OWN_TIMEOUT_MS)
        const list = value ? applied : skipped
        list.push(migration.id)
        record = point.record
      }
      return { applied, skipped, record }
    },
    async backup() {
      if (backups >= MAX_BACKUPS) throw new DataError('BUSY', `${MAX_BACKUPS} backups of database ${name} are being read: try again later`)
      const view = ++lastView
      backups++
      let isOpen = true
      const end = (): void => {
        if (!isOpen) return
        isOpen = false
        backups--
        closeView(view)
      }
      try {
        const { value, point } = await run({ kind: 'view', view }, OWN_TIMEOUT_MS)
        return { record: point.record, sizeBytes: value.size, content: untilEnd(slices(view), end) }
      } catch (error) {
        end()
        throw error
      }
    },
    restore: (content) => exclusively(async () => await isDamaged() ? await recover(() => uploaded(content)) : await replaceBy(content)),
    restoreTo: (target) => exclusively(async () => {
      if (await isDamaged()) return await recover(() => stateAt(target))
      return await replaceBy(parts((await stateAt(target)).file))
    }),
    start() {
      if (deps.copying !== undefined && copyTimer === undefined) void copyRounds(deps.copying.everyMs)
    },
    closeIfIdle(idleMs) {
      const isIdle = database.state() === 'open' && database.waiting() === 0 && backups === 0 && monotonicMs() - usedMs >= (database.heapBytes() > LARGE_HEAP_BYTES ? Math.min(idleMs, LARGE_IDLE_MS) : idleMs)
      if (!isIdle || isClosing) return
      void exclusively(() => database.close()).catch((error: unknown) => report('warn', 'an idle database was not closed', { database: name, error: reasonOf(error) }))
    },
    async close() {
      isClosing = true
      clearTimeout(copyTimer)
      await busy
      isShut = true
      await database.close()
    },
  }
}

async function* parts(file: PagedFile): AsyncGenerator<Uint8Array> {
  const view = file.view()
  try {
    for (let part = view.read(SLICE_BYTES); part.length > 0; part = view.read(SLICE_BYTES)) yield part
  } finally {
    view.close()
  }
}

/** Ends also for a reader who leaves before the first bytes: a generator that never ran has no `finally`. */
function untilEnd(content: AsyncGenerator<Uint8Array>, end: () => void): AsyncIterable<Uint8Array> {
  const next = async (): Promise<IteratorResult<Uint8Array, void>> => {
    try {
      const step = await content.next()
      if (step.done) end()
      return step
    } catch (error) {
      end()
      throw error
    }
  }
  const leave = async (): Promise<IteratorResult<Uint8Array, void>> => {
    await content.return(undefined).finally(end)
    return { done: true, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}

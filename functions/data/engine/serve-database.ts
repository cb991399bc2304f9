/** A database in its thread: takes jobs one after the other, and answers with what they changed in the file. */
import type { MessagePort } from 'node:worker_threads'
import { createConnection, type Connection } from './connection.ts'
import { DataError, reasonOf } from './errors.ts'
import type { Answer, Failure, FromThread, Job, ThreadSettings, ToThread } from './messages.ts'
import { monotonicMs } from './monotonic.ts'
import { createPagedFile, PAGE_BYTES, type FileView } from './paged-file.ts'
import { loadSqlite } from './sqlite.ts'

/** Answers that are ready wait so long for others: one message costs as much as many. */
const FLUSH_MS = 3
/** SQLite's own memory on top of what a transaction over the whole database may need. */
const HEAP_BYTES = 64 * 2 ** 20
/** What a transaction may change on top of the whole database: heads of pieces, pages written twice. */
const SPARE_CHANGE_BYTES = 8 * 2 ** 20
const PART_PAGES = 256

export function serveDatabase(port: MessagePort, settings: ThreadSettings): void {
  const { databaseBytes } = settings
  const pulse = new Float64Array(settings.pulse)
  const file = createPagedFile()
  let staged = createPagedFile()
  const sqlite = loadSqlite(settings.module, file, { heapBytes: 2 * databaseBytes + HEAP_BYTES, heap: settings.heap, changeBytes: databaseBytes + SPARE_CHANGE_BYTES })
  let connection: Connection | undefined
  const views = new Map<number, FileView>()

  const post = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, [...transfer])
  const viewOf = (id: number): FileView => {
    const view = views.get(id)
    if (view === undefined) throw new DataError('UNAVAILABLE', `database ${settings.brambleDatabase} was rebuilt meanwhile: begin again`)
    return view
  }
  /** A thread that was rebuilt has lost the parts before. */
  const checkStaged = (size: number): void => {
    if (staged.size() !== size) throw new DataError('UNAVAILABLE', `database ${settings.brambleDatabase} was rebuilt meanwhile: send the file again`)
  }
  const replace = async (): Promise<{ size: number }> => {
    // A file that was in use with a write-ahead log says so; the log has no place here, and a whole file does not need it.
    const modes = new Uint8Array(2)
    staged.read(modes, 18)
    if (modes[0] === 2 && modes[1] === 2) staged.write(new Uint8Array([1, 1]), 18)
    const part = new Uint8Array(PART_PAGES * PAGE_BYTES)
    if (staged.size() > databaseBytes) throw new DataError('TOO_LARGE', `the file has ${staged.size()} bytes, the limit of database ${settings.brambleDatabase} is ${databaseBytes}`)
    connection?.close()
    connection = undefined
    const before = file.view()
    const fill = (size: number, read: (offset: number) => Uint8Array): void => {
      file.truncate(size)
      for (let offset = 0; offset < size; offset += part.length) file.write(read(offset), offset)
    }
    fill(staged.size(), (offset) => part.subarray(0, staged.read(part, offset)))
    try {
      connection = await connect()
      const problems = connection.check()
      if (problems.length > 0) throw new DataError('INVALID', `the file is no sound SQLite database: ${problems.join('; ')}`)
    } catch (error) {
      connection?.close()
      fill(before.size, () => before.read(part.length))
      // There and back again: it is what it was, to the byte.
      file.dropChanges()
      connection = await connect()
      throw error instanceof DataError && error.code === 'DAMAGED' ? new DataError('INVALID', 'the file is no SQLite database', { cause: error }) : error
    } finally {
      before.close()
      staged = createPagedFile()
    }
    return { size: file.size() }
  }
  const connect = async (): Promise<Connection> => createConnection({ sqlite: await sqlite, databaseBytes, name: settings.brambleDatabase })

  const perform = (job: Job, open: Connection): unknown => {
    switch (job.kind) {
      case 'query': return open.query(job.sql, job.parameters, job)
      case 'execute': return open.execute(job.statements, job)
      case 'migrate': return open.migrate(job.migration, job.hash)
      case 'view':
        views.set(job.view, file.view())
        return { size: file.size() }
      case 'slice': return viewOf(job.view).read(job.bytes)
      case 'close view':
        views.get(job.view)?.close()
        views.delete(job.view)
        return undefined
      case 'part':
        checkStaged(job.offset)
        staged.write(job.bytes, job.offset)
        staged.dropChanges()
        return undefined
      case 'drop parts':
        staged = createPagedFile()
        return undefined
      case 'replace':
        checkStaged(job.size)
        return replace()
    }
  }
  const run = async (jobs: readonly { readonly id: number; readonly job: Job }[]): Promise<void> => {
    let answers: Answer[] = []
    let transfer: ArrayBuffer[] = []
    let sinceMs = performance.now()
    const flush = (): void => {
      post({ type: 'answers', answers, sizeBytes: file.size() }, transfer)
      answers = []
      transfer = []
      sinceMs = performance.now()
    }
    for (const { id, job } of jobs) {
      pulse[1] = monotonicMs()
      pulse[0] = id
      let value: unknown
      let failure: Failure | undefined
      try {
        if (connection === undefined) throw new DataError('INTERNAL', 'the database is not open')
        const performed = perform(job, connection)
        value = performed instanceof Promise ? await performed : performed
      } catch (error) {
        failure = failureOf(error)
      }
      const spoiled = connection?.spoiled()
      if (spoiled === 'connection') {
        connection?.close()
        connection = await connect()
      }
      const isBroken = spoiled === 'file'
      if (isBroken) file.dropChanges()
      const changes = file.takeChanges()
      if (changes !== undefined) transfer.push(changes.buffer)
      if (job.kind === 'slice' && value instanceof Uint8Array && value.buffer instanceof ArrayBuffer) transfer.push(value.buffer)
      answers.push({ id, value, failure, changes, isBroken })
      if (isBroken) break
      if (performance.now() - sinceMs > FLUSH_MS) flush()
    }
    pulse[0] = 0
    if (answers.length > 0) flush()
  }
  const take = async (message: ToThread): Promise<void> => {
    switch (message.type) {
      case 'load':
        file.write(message.bytes, message.offset)
        return file.dropChanges()
      case 'apply':
        for (const changes of message.changes) file.apply(changes)
        return
      case 'open':
        try {
          connection = await connect()
          post({ type: 'opened', failure: undefined, sizeBytes: file.size() })
        } catch (error) {
          post({ type: 'opened', failure: failureOf(error), sizeBytes: file.size() })
        }
        return
      case 'run': return await run(message.jobs)
    }
  }
  let before = Promise.resolve()
  port.on('message', (message: ToThread) => {
    // One after the other: opening takes several turns.
    before = before.then(() => take(message))
  })
}

function failureOf(error: unknown): Failure {
  if (error instanceof DataError) return { code: error.code, message: error.message, statement: error.statement }
  // A trap in SQLite leaves nothing that can be relied on: the thread ends, and the engine rebuilds the database.
  if (error instanceof Error && error.name === 'RuntimeError') throw error
  return { code: 'INTERNAL', message: reasonOf(error), statement: undefined }
}

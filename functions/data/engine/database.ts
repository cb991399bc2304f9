/**
 * One database: calls wait in line for its thread, what they change goes to the log, and an answer is given once all that it has seen
 * is durable. A thread that must be ended, or has seen what did not become durable, is rebuilt from snapshot and log.
 */
import { buildThread } from './build-thread.ts'
import { createCommitter, type Committer } from './committer.ts'
import { DataError, reasonOf } from './errors.ts'
import { laterOf } from './file-log.ts'
import type { HeapBudget } from './heap.ts'
import type { History } from './history.ts'
import type { DataLog } from './log.ts'
import type { Answer, Job, Values } from './messages.ts'
import { monotonicMs } from './monotonic.ts'
import { createRoom } from './room.ts'
import type { DatabaseThread } from './thread.ts'
import type { DatabaseState, EngineCounts, RestorePoint } from './types.ts'

export type Database = {
  /** Opens it when it is closed. `record` is the last one that the answer has seen. */
  run<J extends Job>(job: J, timeoutMs: number): Promise<{ readonly value: Values[J['kind']]; readonly point: RestorePoint }>
  state(): DatabaseState
  problem(): string | undefined
  writesRefused(): string | undefined
  point(): RestorePoint
  sizeBytes(): number
  waiting(): number
  /** Of the memory that all threads share. */
  heapBytes(): number
  /** Lets what waits finish, and forgets the thread; the next call opens it again. */
  close(): Promise<void>
  /** Without an open thread, and nobody else at log and snapshots. */
  whileClosed<T>(body: () => Promise<T>): Promise<T>
}

export type DatabaseDeps = {
  readonly name: string
  readonly databaseBytes: number
  readonly heaps: HeapBudget
  readonly maxWaiting: number
  readonly log: DataLog
  readonly history: History
  /** Finds what is in the folder. */
  readonly prepare: () => Promise<void>
  readonly counts: EngineCounts
  readonly nowMs: () => number
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void
  /** After each sync, with the bytes that it made durable; after opening, with those of the log behind the snapshot. */
  readonly onDurable: (bytes: number) => void
  readonly onOpened: (bytes: number) => void
}

type Task = {
  readonly id: number
  readonly job: Job
  readonly timeoutMs: number
  readonly resolve: (answer: { value: unknown; point: RestorePoint }) => void
  readonly reject: (error: Error) => void
  tries: number
}
type Held = { readonly task: Task; readonly answer: Answer; readonly point: RestorePoint }

/** Handed to the thread at once: one message for all that came in a turn. */
const MAX_SENT = 256
/** Of changes that wait for the disk: beyond, no more calls are begun. */
const MAX_PENDING_BYTES = 16 * 2 ** 20
/** How late a deadline may be noticed. */
const WATCH_MS = 20
/** A call whose thread dies under it again and again is the cause, most likely. */
const MAX_TRIES = 3

export function createDatabase(deps: DatabaseDeps): Database {
  const { name, log, history, counts, report } = deps
  let state: DatabaseState = 'closed'
  let problem: string | undefined
  let thread: DatabaseThread | undefined
  let committer: Committer | undefined
  let waiting: Task[] = []
  let sent: Task[] = []
  let held: Held[] = []
  let lastId = 0
  /** Of the last record made, and of the last one that is durable. */
  let last: RestorePoint = { record: 0, timeMs: 0 }
  let durable = last
  let sizeBytes = 0
  let isPumping = false
  /** Nothing is handed to the thread: it is about to go. */
  let isPaused = false
  let opening: Promise<void> | undefined
  let watch: NodeJS.Timeout | undefined
  const room = createRoom(log)
  let onIdle: (() => void)[] = []
  /** One after the other. */
  let closing: Promise<void> = Promise.resolve()

  const isWrite = ({ kind }: Job): boolean => kind === 'execute' || kind === 'migrate' || kind === 'replace'
  const pump = (): void => {
    if (isPumping) return
    isPumping = true
    // All that comes in this turn of the event loop goes in one message.
    setImmediate(() => {
      isPumping = false
      send()
    })
  }
  const send = (): void => {
    if (waiting.length === 0 || isPaused) return
    if (state !== 'open' || thread === undefined) {
      if (opening === undefined) void open()
      return
    }
    if ((committer?.pendingBytes() ?? 0) > MAX_PENDING_BYTES) return
    const batch = waiting.splice(0, MAX_SENT - sent.length)
    if (batch.length === 0) return
    sent.push(...batch)
    thread.run(batch.map(({ id, job }) => ({ id, job })))
    watch ??= setInterval(checkDeadline, WATCH_MS)
  }
  const settleIdle = (): void => {
    if (sent.length === 0) {
      clearInterval(watch)
      watch = undefined
    }
    if (sent.length + held.length + (isPaused ? 0 : waiting.length) > 0 || opening !== undefined) return
    for (const tell of onIdle.splice(0)) tell()
  }
  const settle = ({ task, answer, point }: Held): void => {
    if (answer.failure === undefined) task.resolve({ value: answer.value, point })
    else task.reject(new DataError(answer.failure.code, answer.failure.message, { statement: answer.failure.statement }))
  }
  const release = (): void => {
    let ready = 0
    while ((held[ready]?.point.record ?? Infinity) <= durable.record) ready++
    for (const one of held.splice(0, ready)) settle(one)
    pump()
    settleIdle()
  }
  const rejectAll = (error: Error): void => {
    const tasks = [...held.map(({ task }) => task), ...sent, ...waiting]
    held = []
    sent = []
    waiting = []
    for (const task of tasks) task.reject(error)
    settleIdle()
  }

  const onAnswers = (answers: readonly Answer[], size: number): void => {
    sizeBytes = size
    for (const answer of answers) {
      const task = sent.shift()
      if (task?.id !== answer.id) return rebuild(new Error('the thread answered out of order'))
      if (answer.changes !== undefined) {
        last = { record: last.record + 1, timeMs: laterOf(deps.nowMs(), last) }
        committer?.push({ ...last, changes: answer.changes })
      }
      held.push({ task, answer, point: last })
      if (answer.isBroken) rebuild(new Error('a transaction was too large'))
    }
    release()
  }
  const onFailed = (error: unknown): void => {
    const reason = error instanceof DataError ? error : new DataError('UNAVAILABLE', `database ${name} cannot write its log: ${reasonOf(error)}`, { cause: error })
    report('error', 'changes of a database were not written', { database: name, error: reason.message })
    if (reason.code === 'DISK_FULL') room.lost(reason)
    last = durable
    // Those that changed nothing are asked again, of the state that is durable.
    const again = held.filter(({ task, answer }) => {
      if (answer.changes !== undefined) task.reject(reason)
      return answer.changes === undefined
    }).map(({ task }) => task)
    held = []
    const [writes, reads] = [sent.filter(({ job }) => isWrite(job)), sent.filter(({ job }) => !isWrite(job))]
    const isFull = room.refusal() !== undefined
    if (isFull) for (const task of writes) task.reject(reason)
    rebuild(reason, [...again, ...isFull ? reads : sent])
  }
  /** `again` are run once more; what is held already is in the log, or on the way there. */
  const rebuild = (reason: Error, again: readonly Task[] = sent): void => {
    const dead = thread
    thread = undefined
    sent = []
    const fresh = again.filter((task) => {
      if (++task.tries > MAX_TRIES) task.reject(new DataError('UNAVAILABLE', `database ${name} had to be rebuilt too often under this call (${reason.message})`))
      return task.tries <= MAX_TRIES
    })
    waiting = [...fresh, ...waiting]
    counts.rebuilds++
    state = 'closed'
    opening = (async () => {
      await dead?.end()
      await committer?.idle()
    })().finally(() => {
      opening = undefined
      pump()
      settleIdle()
    })
  }
  const checkDeadline = (): void => {
    const running = thread?.running()
    const task = sent.find(({ id }) => id === running?.id)
    if (running === undefined || task === undefined || monotonicMs() - running.sinceMs <= task.timeoutMs) return
    counts.timeouts++
    report('warn', 'a statement was ended at its deadline', { database: name, timeoutMs: task.timeoutMs })
    task.reject(new DataError('TIMEOUT', `the statement took longer than ${task.timeoutMs} ms and was ended: nothing was changed; make it smaller, or allow more time`))
    rebuild(new Error('a statement was ended at its deadline'), sent.filter((one) => one !== task))
  }
  const onDeath = (error: Error): void => {
    const running = thread?.running()
    report('error', 'the thread of a database ended', { database: name, error: error.message })
    if (thread === undefined) return
    const task = sent.find(({ id }) => id === running?.id)
    task?.reject(new DataError('TOO_LARGE', `the statement needs more than a database's thread has (${error.message}): make it smaller`))
    rebuild(error, sent.filter((one) => one !== task))
  }

  const build = async (): Promise<void> => {
    const built = await buildThread({ name, databaseBytes: deps.databaseBytes, heaps: deps.heaps, log, history, prepare: deps.prepare, onAnswers, onDeath })
    thread = built.thread
    last = built.point
    durable = built.point
    sizeBytes = built.sizeBytes
    committer = createCommitter({
      log,
      onDurable(record, count, bytes) {
        durable = { record: record.record, timeMs: record.timeMs }
        counts.syncs++
        counts.records += count
        counts.writtenBytes += bytes
        release()
        deps.onDurable(bytes)
      },
      onFailed,
    })
    deps.onOpened(built.replayedBytes)
  }
  const open = (): Promise<void> => {
    state = 'opening'
    opening = build().then(() => {
      state = 'open'
      problem = undefined
    }, (error: unknown) => {
      const isDamaged = error instanceof DataError && error.code === 'DAMAGED'
      state = isDamaged ? 'damaged' : 'closed'
      problem = isDamaged ? reasonOf(error) : undefined
      report('error', 'a database cannot be opened', { database: name, error: reasonOf(error) })
      rejectAll(error instanceof DataError ? error : new DataError('UNAVAILABLE', `database ${name} cannot be opened: ${reasonOf(error)}`, { cause: error }))
    }).finally(() => {
      opening = undefined
      pump()
      settleIdle()
    })
    return opening
  }
  /** Calls that come meanwhile wait, and open it again. */
  const closeFor = <T>(body: () => Promise<T>): Promise<T> => {
    const mine = closing.then(() => closeNow(body))
    closing = mine.then(() => undefined, () => undefined)
    return mine
  }
  const closeNow = async <T>(body: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => {
      onIdle.push(() => {
        isPaused = true
        resolve()
      })
      settleIdle()
    })
    try {
      await committer?.idle()
      const open = thread
      thread = undefined
      if (state !== 'damaged') state = 'closed'
      await open?.end()
      await log.close()
      return await body()
    } finally {
      isPaused = false
      pump()
      settleIdle()
    }
  }

  return {
    async run<J extends Job>(job: J, timeoutMs: number) {
      if (state === 'damaged') throw new DataError('DAMAGED', problem ?? `database ${name} is damaged`)
      if (waiting.length + sent.length >= deps.maxWaiting) throw new DataError('BUSY', `${deps.maxWaiting} calls wait for database ${name}: try again later`)
      if (isWrite(job) && room.refusal() !== undefined) await room.check()
      const { value, point } = await new Promise<{ value: unknown; point: RestorePoint }>((resolve, reject) => {
        waiting.push({ id: ++lastId, job, timeoutMs, resolve, reject, tries: 0 })
        pump()
      })
      // The thread answers each kind of job with its kind of value.
      return { value: value as Values[J['kind']], point }
    },
    state: () => state,
    problem: () => problem,
    writesRefused: room.refusal,
    point: () => durable,
    sizeBytes: () => sizeBytes,
    heapBytes: () => thread?.heapBytes() ?? 0,
    waiting: () => waiting.length + sent.length + held.length,
    close: () => closeFor(async () => undefined),
    whileClosed: (body) => closeFor(async () => {
      const answer = await body()
      state = 'closed'
      problem = undefined
      return answer
    }),
  }
}

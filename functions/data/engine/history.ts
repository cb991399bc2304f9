/** A database's past: snapshots, and the log between and after them. */
import { DataError, reasonOf } from './errors.ts'
import type { DataLog, LogRecord } from './log.ts'
import type { Snapshot, Snapshots } from './snapshots.ts'
import type { RestorePoint, RestoreTarget } from './types.ts'

export type Receiver = {
  /** Begins anew: what came before does not count. */
  begin(): void
  /** Takes the bytes, with all of their buffer. */
  load(bytes: Uint8Array<ArrayBuffer>, offset: number): void
  apply(changes: readonly Uint8Array[]): void
}

export type History = {
  /** Gives the state after the last record, or at a target. Answers what it has come to; `NOT_FOUND` or `DAMAGED` when it cannot. */
  replay(receiver: Receiver, target?: RestoreTarget): Promise<RestorePoint>
  oldest(): Promise<RestorePoint>
  /** Gives back what is older than both limits allow; the newest snapshot, and the one before it, stay. */
  prune(limits: { readonly historyMs: number; readonly historyBytes: number }, nowMs: number): Promise<void>
}

export type HistoryDeps = {
  readonly log: DataLog
  readonly snapshots: Snapshots
  readonly report: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Records applied with one message. */
const APPLY_BYTES = 2 ** 20
/** Snapshots, or the empty beginning: if the newest turns out to be damaged, the one before it and a longer log do. */
const KEPT_BASES = 2

export function createHistory({ log, snapshots, report }: HistoryDeps): History {
  const isWithin = (point: RestorePoint, target: RestoreTarget | undefined): boolean =>
    target === undefined || ('record' in target ? point.record <= target.record : point.timeMs <= target.timeMs)

  const replayFrom = async (snapshot: Snapshot | undefined, receiver: Receiver, target: RestoreTarget | undefined): Promise<RestorePoint> => {
    receiver.begin()
    let at: RestorePoint = { record: 0, timeMs: 0 }
    if (snapshot !== undefined) {
      let offset = 0
      for await (const piece of snapshots.read(snapshot)) {
        const { length } = piece
        receiver.load(piece, offset)
        offset += length
      }
      at = snapshot
    }
    let batch: LogRecord[] = []
    let bytes = 0
    const flush = (): void => {
      if (batch.length > 0) receiver.apply(batch.map(({ changes }) => changes))
      batch = []
      bytes = 0
    }
    if (target !== undefined && 'record' in target && at.record === target.record) return at
    for await (const one of log.read(at.record)) {
      if (!isWithin(one, target)) break
      batch.push(one)
      at = one
      bytes += one.changes.length
      if (bytes >= APPLY_BYTES) flush()
      if (target !== undefined && 'record' in target && one.record === target.record) break
    }
    flush()
    return { record: at.record, timeMs: at.timeMs }
  }

  return {
    async replay(receiver, target) {
      // Newest first; an empty file is the state before the first record.
      const bases = [...snapshots.list().filter((one) => !Number.isNaN(one.timeMs) && isWithin(one, target)).reverse(), undefined]
      let first: unknown
      for (const base of bases) {
        try {
          const reached = await replayFrom(base, receiver, target)
          if (target !== undefined && 'timeMs' in target && reached.record === 0) {
            throw new DataError('NOT_FOUND', `there was nothing yet at ${new Date(target.timeMs).toISOString()}`)
          }
          if (target !== undefined && 'record' in target && reached.record !== target.record) {
            throw new DataError('NOT_FOUND', `there is no record ${target.record}: the last one is ${reached.record}`)
          }
          return reached
        } catch (error) {
          if (!(error instanceof DataError) || error.code === 'NOT_FOUND') throw error
          first ??= error
          if (base !== undefined) report('a snapshot, or the log after it, cannot be used: the one before it is tried', { snapshot: base.path, error: reasonOf(error) })
        }
      }
      if (target !== undefined) throw new DataError('NOT_FOUND', `that state cannot be restored: ${reasonOf(first)}`, { cause: first })
      throw first
    },
    async oldest() {
      const first = await log.first()
      const [oldest] = snapshots.list().filter(({ timeMs }) => !Number.isNaN(timeMs))
      if (first?.record === 1 || oldest === undefined) return { record: 0, timeMs: 0 }
      return { record: oldest.record, timeMs: oldest.timeMs }
    },
    async prune({ historyMs, historyBytes }, nowMs) {
      const isFromTheBeginning = (await log.first())?.record === 1
      const bases: (Snapshot | undefined)[] = [...isFromTheBeginning ? [undefined] : [], ...snapshots.list()]
      while (bases.length > KEPT_BASES) {
        const [oldest, second] = bases
        if (second === undefined) break
        // A state of `historyMs` ago is made from the last base before it.
        const isOld = second.timeMs < nowMs - historyMs
        const isMuch = log.bytes() + snapshots.bytes() > historyBytes
        const isUnreadable = oldest !== undefined && Number.isNaN(oldest.timeMs)
        if (!isOld && !isMuch && !isUnreadable) break
        // First the log: without it the snapshot would only look like a beginning.
        await log.drop(second.record)
        if (oldest !== undefined) await snapshots.remove(oldest)
        bases.shift()
      }
    },
  }
}

/** Makes records durable, several with one sync: what comes while the log syncs goes into the next write. */
import type { DataLog, LogRecord } from './log.ts'

export type Committer = {
  push(record: LogRecord): void
  /** Of records that are not durable yet. */
  pendingBytes(): number
  /** When all that was pushed is durable, or has failed. */
  idle(): Promise<void>
}

export type CommitterDeps = {
  readonly log: DataLog
  readonly onDurable: (last: LogRecord, count: number, bytes: number) => void
  /** None of the records that were not durable is any more. Nothing is pushed after it. */
  readonly onFailed: (error: unknown) => void
}

/** Of one write: a crowd of large transactions must not become one that takes seconds. */
const MAX_WRITE_BYTES = 4 * 2 ** 20

export function createCommitter({ log, onDurable, onFailed }: CommitterDeps): Committer {
  let pending: LogRecord[] = []
  let bytes = 0
  let isFailed = false
  let work: Promise<void> | undefined

  const next = (): LogRecord[] => {
    let size = 0
    const end = pending.findIndex(({ changes }, index) => (size += changes.length) > MAX_WRITE_BYTES && index > 0)
    return end < 0 ? pending.splice(0) : pending.splice(0, end)
  }
  const writeAll = async (): Promise<void> => {
    // What comes in the same turn goes along.
    await undefined
    while (pending.length > 0) {
      const records = next()
      const last = records.at(-1)
      if (last === undefined) return
      try {
        await log.append(records)
      } catch (error) {
        isFailed = true
        pending = []
        bytes = 0
        onFailed(error)
        return
      }
      const written = records.reduce((sum, { changes }) => sum + changes.length, 0)
      bytes -= written
      onDurable(last, records.length, written)
    }
  }

  return {
    push(record) {
      if (isFailed) return
      pending.push(record)
      bytes += record.changes.length
      work ??= writeAll().finally(() => { work = undefined })
    },
    pendingBytes: () => bytes,
    async idle() { while (work !== undefined) await work },
  }
}

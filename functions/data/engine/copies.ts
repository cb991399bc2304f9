/**
 * Copies of a database's log and snapshots, off this board, under NAME/BEGINNING/. What lies there is a folder like the database's own: put in
 * its place, it is opened as it is. It goes on where it was after a failure or a restart; what cannot know where it was begins another
 * folder, so that an empty volume never takes the place of a good copy.
 */
import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { CopyTarget } from './copy-target.ts'
import { DataError, hasCode } from './errors.ts'
import type { DataFiles } from './files.ts'
import { segmentName } from './file-log.ts'
import { encodeFrame } from './frames.ts'
import type { DataLog, LogRecord } from './log.ts'
import type { Snapshots } from './snapshots.ts'

export type Copies = {
  /** Brings the target up to what is durable now. */
  round(): Promise<void>
  /** Whether nothing was changed since the last round. */
  isComplete(): boolean
  /** So it is still. */
  confirm(): void
  /** Of the last round that came to its end; `undefined`: none yet. */
  completeAtMs(): number | undefined
}

export type CopiesDeps = {
  /** Of the database; the first part of all keys. */
  readonly name: string
  readonly folder: string
  readonly files: DataFiles
  readonly log: DataLog
  readonly snapshots: Snapshots
  readonly target: CopyTarget
  readonly nowMs: () => number
  /** The number of the last durable record. */
  readonly record: () => number
  readonly counts: { copiedBytes: number }
}

type Progress = { readonly target: string; readonly beginning: string; readonly record: number; readonly snapshot: number; readonly completeAtMs: number | null }

/** Of one object: what is lost when a copy breaks off. */
const OBJECT_BYTES = 4 * 2 ** 20
const PROGRESS = 'copied.json'

export function createCopies({ name, folder, files, log, snapshots, target, nowMs, record, counts }: CopiesDeps): Copies {
  let progress: Progress | undefined

  const readProgress = async (): Promise<Progress> => {
    const beginning = `${new Date(nowMs()).toISOString().replaceAll(':', '-')}-${randomBytes(4).toString('hex')}`
    const none: Progress = { target: target.name, beginning, record: 0, snapshot: 0, completeAtMs: null }
    try {
      const file = await files.open(join(folder, PROGRESS))
      try {
        const bytes = Buffer.alloc(await file.size())
        await file.read(bytes, 0)
        const found: unknown = JSON.parse(bytes.toString())
        return isProgress(found) && found.target === target.name ? found : none
      } finally {
        await file.close()
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return none
      throw error
    }
  }
  const writeProgress = async (next: Progress): Promise<void> => {
    const path = join(folder, PROGRESS)
    await files.remove(`${path}.draft`).catch(() => undefined)
    const file = await files.create(`${path}.draft`)
    try {
      await file.write([Buffer.from(JSON.stringify(next))], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await files.rename(`${path}.draft`, path)
    progress = next
  }
  const copySnapshot = async (current: Progress): Promise<Progress> => {
    const newest = snapshots.list().filter(({ timeMs }) => !Number.isNaN(timeMs)).at(-1)
    if (newest === undefined || newest.record <= current.snapshot) return current
    const { size, read } = snapshots.file(newest)
    await target.put(`${name}/${current.beginning}/${basename(newest.path)}`, { sizeBytes: size, read })
    counts.copiedBytes += size
    return { ...current, snapshot: newest.record }
  }
  const copyRecords = async (current: Progress, records: readonly LogRecord[]): Promise<Progress> => {
    const [first, last] = [records[0], records.at(-1)]
    if (first === undefined || last === undefined) return current
    // The same for the same record: one whose copy was not noted down is replaced.
    const salt = crc32(`${current.beginning} ${first.record}`)
    const object = Buffer.concat(encodeFrame(records, salt))
    await target.put(`${name}/${current.beginning}/${segmentName(first.record, salt)}`, { sizeBytes: object.length, read: async function* () { yield object } })
    counts.copiedBytes += object.length
    return { ...current, record: last.record }
  }
  const copyLog = async (from: Progress, until: number): Promise<Progress> => {
    let current = from
    let batch: LogRecord[] = []
    let bytes = 0
    for await (const one of log.read(current.record)) {
      if (one.record > until) break
      batch.push(one)
      bytes += one.changes.length
      if (bytes < OBJECT_BYTES) continue
      current = await copyRecords(current, batch)
      await writeProgress(current)
      batch = []
      bytes = 0
    }
    return await copyRecords(current, batch)
  }

  return {
    async round() {
      const startedMs = nowMs()
      const until = record()
      if (progress === undefined) await writeProgress(await readProgress())
      let current = progress ?? await readProgress()
      const before = current
      current = await copySnapshot(current)
      if (current.snapshot !== before.snapshot) await writeProgress(current)
      try {
        current = await copyLog(current, until)
      } catch (error) {
        // What it stopped at has gone meanwhile, or there was never a log from the beginning: the snapshot takes its place.
        if (!(error instanceof DataError) || error.code !== 'DAMAGED' || current.snapshot <= current.record) throw error
        current = await copyLog({ ...progress ?? current, record: current.snapshot }, until)
      }
      await writeProgress({ ...current, completeAtMs: startedMs })
    },
    isComplete: () => progress !== undefined && progress.completeAtMs !== null && progress.record === record(),
    confirm() { if (progress !== undefined) progress = { ...progress, completeAtMs: nowMs() } },
    completeAtMs: () => progress?.completeAtMs ?? undefined,
  }
}

function isProgress(value: unknown): value is Progress {
  return typeof value === 'object' && value !== null && 'target' in value && 'beginning' in value && typeof value.beginning === 'string' && 'record' in value && typeof value.record === 'number'
    && 'snapshot' in value && typeof value.snapshot === 'number' && 'completeAtMs' in value
    && (value.completeAtMs === null || typeof value.completeAtMs === 'number')
}

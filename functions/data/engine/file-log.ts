/** The log as numbered segment files in a folder, written at the end of the last one. A file's name holds its first record and the salt of its checksums. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DataError, hasCode, reasonOf } from './errors.ts'
import type { DataFile, DataFiles } from './files.ts'
import { encodeFrame, scanFrames, type Scan } from './frames.ts'
import type { DataLog, LogRecord } from './log.ts'
import type { RestorePoint } from './types.ts'

export type FileLogDeps = {
  readonly files: DataFiles
  /** There already, and there to stay. */
  readonly folder: string
  readonly segmentBytes?: number | undefined
  readonly report: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

type Segment = { readonly first: number; readonly salt: number; readonly path: string; size: number }

/** Small enough to be read in one go, large enough that files are few. */
export const SEGMENT_BYTES = 4 * 2 ** 20
/**
 * Zeros written ahead of the records: a sync then finds the file's length as it is, and is done with one write of the disk instead of
 * several.
 */
const AHEAD_BYTES = 256 * 1024
/** Of the smallest record. */
const RECORD_BYTES = 20
/** After a full disk: so much more than the last write needs must be free before the next one is tried. */
const ROOM_BYTES = 2 ** 20
const fileName = /^([0-9]{16})-([0-9a-f]{8})\.log$/

export function createFileLog({ files, folder, segmentBytes = SEGMENT_BYTES, report }: FileLogDeps): DataLog {
  let segments: Segment[] = []
  const zeros = Buffer.alloc(Math.min(AHEAD_BYTES, segmentBytes))
  /** The last segment, while it takes more. */
  let writing: DataFile | undefined
  /** How long its file is, zeros included. */
  let reservedBytes = 0
  let last: RestorePoint = { record: 0, timeMs: 0 }
  let neededBytes = 0

  const find = async (): Promise<Segment[]> => {
    const found = (await files.names(folder)).flatMap((name) => {
      const [, first, salt] = fileName.exec(name) ?? []
      return first === undefined || salt === undefined ? [] : [{ first: Number(first), salt: parseInt(salt, 16), path: join(folder, name), size: 0 }]
    }).sort((a, b) => a.first - b.first)
    for (const segment of found) {
      const file = await files.open(segment.path)
      segment.size = await file.size()
      await file.close()
    }
    return found
  }
  const load = async (segment: Segment): Promise<Scan> => {
    const file = await files.open(segment.path)
    try {
      const content = Buffer.allocUnsafeSlow(await file.size())
      const length = await file.read(content, 0)
      return scanFrames(content.subarray(0, length), segment.salt)
    } finally {
      await file.close()
    }
  }
  const damage = (segment: Segment, what: string): DataError =>
    new DataError('DAMAGED', `${segment.path}: ${what}; restore the database to an earlier record or time, or from a backup`)

  const begin = async (first: number): Promise<DataFile> => {
    const salt = randomBytes(4).readUInt32LE()
    const segment = { first, salt, path: join(folder, segmentName(first, salt)), size: 0 }
    const file = await files.create(segment.path)
    try {
      const others = (await files.names(folder)).filter((name) => Number(fileName.exec(name)?.[1] ?? -1) >= first && join(folder, name) !== segment.path)
      if (others.length > 0) throw new DataError('UNAVAILABLE', `another process writes to ${folder}: let one at a time use it`)
      await files.syncFolder(folder)
    } catch (error) {
      await file.close()
      await files.remove(segment.path).catch(() => undefined)
      throw error
    }
    segments.push(segment)
    writing = file
    reservedBytes = 0
    return file
  }
  const stopWriting = async (): Promise<void> => {
    const file = writing
    const segment = segments.at(-1)
    writing = undefined
    // Zeros that came back in a power cut would do no harm.
    if (segment !== undefined) await file?.truncate(segment.size).catch(() => undefined)
    await file?.close()
  }
  /** Whether nothing of a failed write is left. */
  const takeBack = async (): Promise<boolean> => {
    const segment = segments.at(-1)
    if (segment === undefined || writing === undefined) return true
    try {
      await writing.truncate(segment.size)
      await writing.sync()
      return true
    } catch {
      return false
    }
  }
  const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EFBIG'].some((code) => hasCode(error, code))

  return {
    async open() {
      segments = await find()
      last = { record: 0, timeMs: 0 }
      // Segments without a record are what a start or a full disk left behind.
      for (let newest = segments.at(-1); newest !== undefined; newest = segments.at(-1)) {
        const { records, end, tail } = await load(newest)
        if (tail === 'damaged') throw damage(newest, `what lies at byte ${end} is damaged`)
        const file = await files.open(newest.path)
        try {
          if (tail === 'torn') {
            report('the torn end of a log was cut: nobody was told that it was written', { file: newest.path, offset: end, bytes: newest.size - end })
            await file.truncate(end)
            newest.size = end
          }
          // A killed process may have left bytes unsynced: what was read here is believed, so it must stay.
          await file.sync()
        } finally {
          await file.close()
        }
        const record = records.at(-1)
        if (record !== undefined) {
          last = { record: record.record, timeMs: record.timeMs }
          break
        }
        segments.pop()
        await files.remove(newest.path)
      }
      return last
    },
    close: stopWriting,
    async append(records) {
      const first = records[0]
      const newest = records.at(-1)
      if (first === undefined || newest === undefined) return
      let undone = true
      try {
        if (writing !== undefined && (segments.at(-1)?.size ?? 0) >= segmentBytes) await stopWriting()
        const file = writing ?? await begin(first.record)
        const segment = segments.at(-1)
        if (segment === undefined) throw new DataError('INTERNAL', 'the log has no segment')
        const parts = encodeFrame(records, segment.salt)
        neededBytes = parts.reduce((sum, { length }) => sum + length, 0)
        const end = segment.size + neededBytes
        const isLonger = end > reservedBytes
        try {
          await file.writeThrough(isLonger ? [...parts, zeros] : parts, segment.size)
          if (isLonger) reservedBytes = end + zeros.length
        } catch (error) {
          // After a failed sync nobody knows what is on the disk: this segment takes no more.
          undone = await takeBack()
          throw error
        }
        segment.size = end
        last = { record: newest.record, timeMs: newest.timeMs }
      } catch (error) {
        await stopWriting().catch(() => undefined)
        if (error instanceof DataError) throw error
        if (isFull(error) && undone) throw new DataError('DISK_FULL', `the disk of ${folder} is full: nothing was changed; make room`, { cause: error })
        throw new DataError('UNAVAILABLE', `the log in ${folder} cannot be written (${reasonOf(error)}): look at the disk`, { cause: error })
      }
    },
    async *read(after) {
      let next = after + 1
      for (const [index, segment] of segments.entries()) {
        const until = segments[index + 1]?.first ?? Infinity
        if (until <= next) continue
        if (segment.first > next) throw damage(segment, `records ${next} to ${segment.first - 1} before it are missing`)
        const { records, end, tail } = await load(segment)
        for (const one of records) {
          // What a failed write left in a segment counts for nothing when the next segment begins with the same number.
          if (one.record < next || one.record >= until) continue
          if (one.record > next) throw damage(segment, `records ${next} to ${one.record - 1} are missing`)
          yield one
          next++
        }
        if (tail === 'damaged' || (tail === 'torn' && next < until && until !== Infinity)) throw damage(segment, `what lies at byte ${end} is damaged`)
        if (next < until && until !== Infinity) throw damage(segment, `records ${next} to ${until - 1} after it are missing`)
      }
    },
    async drop(through) {
      for (let next = segments[1]; next !== undefined && next.first <= through + 1; next = segments[1]) {
        const oldest = segments[0]
        if (oldest === undefined) return
        // Not synced: one that comes back lies before all that is read, and goes with the next.
        await files.remove(oldest.path)
        segments.shift()
      }
    },
    async first() {
      for (const segment of segments) {
        const { records } = await load(segment)
        if (records[0] !== undefined) return { record: records[0].record, timeMs: records[0].timeMs }
      }
      return undefined
    },
    bytes: () => segments.reduce((sum, { size }) => sum + size, 0),
    hasRoom: async () => await files.freeBytes(folder) > neededBytes + ROOM_BYTES,
    async setAside(from) {
      const found = await find()
      for (const [index, { path }] of found.entries()) {
        if ((found[index + 1]?.first ?? Infinity) > from) await files.rename(path, `${path}.aside`)
      }
      await files.syncFolder(folder)
    },
    async next() {
      const newest = (await find()).at(-1)
      return newest === undefined ? 1 : newest.first + Math.ceil(newest.size / RECORD_BYTES)
    },
  }
}

/** Of a segment that begins with this record. */
export function segmentName(first: number, salt: number): string {
  return `${String(first).padStart(16, '0')}-${salt.toString(16).padStart(8, '0')}.log`
}

/** The time of a record in the log is never less than that of the one before it, whatever the clock does. */
export function laterOf(nowMs: number, before: LogRecord | RestorePoint): number {
  return Math.max(nowMs, before.timeMs)
}

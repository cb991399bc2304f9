/**
 * The log: numbered segment files, written at the end of the last one, given back from the first on. What `append` has
 * answered survives a power cut. A file's name holds its number and the salt of its checksums.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { BrambleError, hasCode } from '../../lib/errors.ts'
import { frame, scanFrames, unframe } from './frames.ts'
import type { LogFile, LogFiles } from './log-files.ts'

/** Where a record lies. */
export type Place = { readonly segment: number; readonly offset: number; readonly length: number }

export type Damage = { readonly file: string; readonly offset: number; readonly bytes: number; readonly kind: 'skipped' | 'cut' }

export type Segments = {
  /** Reads all there is in the folder, oldest first, cuts a torn end and makes the rest survive. */
  open(onRecord: (payload: Buffer, place: Place) => void, onDamage: (damage: Damage) => void): void
  close(): void
  /** Writes records, each of several parts, and syncs once: all of them are durable when it returns. Throws the disk's error. */
  append(records: readonly (readonly Uint8Array[])[]): readonly Place[]
  /** `undefined` when the record is damaged. */
  read(place: Place): Buffer | undefined
  /** The first segment, unless it is the one being written. */
  oldest(): number | undefined
  /** Gives the oldest segment back. Nothing in it may be needed any more. */
  dropOldest(): void
  bytes(): number
}

type Segment = { readonly number: number; readonly salt: number; readonly path: string; readonly file: LogFile; size: number }

/** Small enough to be copied in well under a second by a slow card, large enough that files are few. */
export const SEGMENT_BYTES = 4 * 2 ** 20
const fileName = /^([0-9]{12})-([0-9a-f]{8})\.log$/

export function createSegments(deps: { readonly files: LogFiles; readonly folder: string; readonly segmentBytes: number; readonly checkOwner: () => void }): Segments {
  const { files, folder, segmentBytes, checkOwner } = deps
  const segments: Segment[] = []
  let lastNumber = 0
  /** The last one takes more records. */
  let isLastOpen = false

  const begin = (): Segment => {
    const number = ++lastNumber
    const salt = randomBytes(4).readUInt32LE()
    const digits = String(number).padStart(12, '0')
    const name = `${digits}-${salt.toString(16).padStart(8, '0')}.log`
    const path = join(folder, name)
    const file = files.create(path)
    if (files.names(folder).some((other) => other.startsWith(`${digits}-`) && other !== name)) {
      // Two processes at once. The owner goes on behind the other one, whose records then count as older than its own.
      file.close()
      files.remove(path)
      checkOwner()
      return begin()
    }
    const segment = { number, salt, path, file, size: 0 }
    segments.push(segment)
    try {
      files.syncFolder(folder)
    } catch (error) {
      abandon(segment)
      throw error
    }
    isLastOpen = true
    return segment
  }
  /**
   * Best effort: a full disk leaves half a record behind, which the next start would report. A segment that holds nothing
   * goes, or each try on a full disk would leave a file.
   */
  const abandon = (segment: Segment): void => {
    try {
      if (segment.size > 0) {
        segment.file.truncate(segment.size)
        segment.file.sync()
        return
      }
      segments.splice(segments.indexOf(segment), 1)
      segment.file.close()
      files.remove(segment.path)
    } catch {
      // The next start skips it and says so.
    }
  }
  const bytes = (): number => segments.reduce((sum, { size }) => sum + size, 0)

  const readSegment = (segment: Segment, isLast: boolean, onRecord: (payload: Buffer, place: Place) => void, onDamage: (damage: Damage) => void): void => {
    const content = Buffer.allocUnsafeSlow(segment.size)
    const length = segment.file.read(content, 0)
    for (const found of scanFrames(content.subarray(0, length), segment.salt)) {
      if (found.kind === 'record') {
        onRecord(found.payload, { segment: segment.number, offset: found.offset, length: found.length })
      } else {
        const isCut = isLast && found.isAtEnd
        onDamage({ file: segment.path, offset: found.offset, bytes: found.length, kind: isCut ? 'cut' : 'skipped' })
        if (!isCut) continue
        segment.file.truncate(found.offset)
        segment.size = found.offset
      }
    }
  }

  return {
    open(onRecord, onDamage) {
      const found = files.names(folder).flatMap((name) => {
        const [, number, salt] = fileName.exec(name) ?? []
        return number === undefined || salt === undefined ? [] : [{ number: Number(number), salt: parseInt(salt, 16), path: join(folder, name) }]
      }).sort((a, b) => a.number - b.number)
      for (const one of found) {
        const file = openIfThere(files, one.path)
        if (file !== undefined) segments.push({ ...one, file, size: file.size() })
      }
      lastNumber = found.at(-1)?.number ?? 0
      for (const segment of segments) readSegment(segment, segment.number === lastNumber, onRecord, onDamage)
      // A killed process may have left bytes unsynced: what was read here is believed, so it must stay.
      segments.at(-1)?.file.sync()
      // Whoever wrote these may be alive and write once more: they are only read here.
      isLastOpen = false
    },
    close() {
      for (const { file } of segments.splice(0)) file.close()
      isLastOpen = false
      lastNumber = 0
    },
    append(records) {
      const current = segments.at(-1)
      const segment = isLastOpen && current !== undefined && current.size < segmentBytes ? current : begin()
      let end = segment.size
      const framed = records.map((parts) => frame(parts, segment.salt))
      const places = framed.map(({ length }): Place => {
        const place = { segment: segment.number, offset: end, length }
        end += length
        return place
      })
      try {
        segment.file.write(framed.length === 1 && framed[0] ? framed[0] : Buffer.concat(framed), segment.size)
        segment.file.sync()
      } catch (error) {
        // After a failed sync nobody knows what is on the disk: this segment takes no more.
        isLastOpen = false
        abandon(segment)
        throw error
      }
      segment.size = end
      return places
    },
    read(place) {
      const segment = segments.find(({ number }) => number === place.segment)
      if (segment === undefined) return undefined
      const bytes = Buffer.allocUnsafeSlow(place.length)
      return segment.file.read(bytes, place.offset) === place.length ? unframe(bytes, segment.salt) : undefined
    },
    oldest: () => segments.length > 1 ? segments[0]?.number : undefined,
    dropOldest() {
      const segment = segments[0]
      if (segment === undefined || segments.length < 2) throw new BrambleError('INTERNAL', 'the segment being written cannot be given back')
      // Before the next one goes: an old segment that came back after younger ones have gone would bring finished calls back.
      if (files.exists(segment.path)) files.remove(segment.path)
      files.syncFolder(folder)
      segments.shift()
      segment.file.close()
    },
    bytes,
  }
}

/** The owner before may just have given it back, after all that counts in it was written again in a later one. */
function openIfThere(files: LogFiles, path: string): LogFile | undefined {
  try {
    return files.open(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    return undefined
  }
}

/** Whole copies of a database file as it was after one record, so that the log before it can go, and a start is short. */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DataError } from './errors.ts'
import type { DataFiles } from './files.ts'
import type { RestorePoint } from './types.ts'

export type Snapshot = RestorePoint & { readonly path: string; readonly sizeBytes: number }

export type Snapshots = {
  /** Oldest first. Drafts of a start before are removed. */
  open(): Promise<void>
  list(): readonly Snapshot[]
  /** Durable and complete when it resolves; one that fails leaves nothing. */
  write(point: RestorePoint, content: AsyncIterable<Uint8Array>): Promise<Snapshot>
  /** In pieces from the front on, each in a buffer of its own; `DAMAGED` at the end when it is not what was written. */
  read(snapshot: Snapshot): AsyncIterable<Uint8Array<ArrayBuffer>>
  /** The whole file as it lies there. */
  file(snapshot: Snapshot): { readonly size: number; read(): AsyncIterable<Uint8Array> }
  remove(snapshot: Snapshot): Promise<void>
  bytes(): number
}

/** At the end of the file: mark, checksum of the content, its size, record, time, checksum of these. */
const TAIL_BYTES = 40
const MARK = Buffer.from([0xf5, 0x53, 0x6e, 0x0a])
const PIECE_BYTES = 2 ** 20
const fileName = /^([0-9]{16})\.snapshot$/
const DRAFT = '.draft'

export function createSnapshots({ files, folder }: { readonly files: DataFiles; readonly folder: string }): Snapshots {
  let snapshots: Snapshot[] = []

  const readTail = async (name: string): Promise<Snapshot[]> => {
    const path = join(folder, name)
    const file = await files.open(path)
    try {
      const sizeBytes = await file.size() - TAIL_BYTES
      const tail = Buffer.alloc(TAIL_BYTES)
      if (sizeBytes < 0 || await file.read(tail, sizeBytes) !== TAIL_BYTES || !isTail(tail) || tail.readDoubleLE(8) !== sizeBytes) {
        return [{ record: Number(fileName.exec(name)?.[1]), timeMs: NaN, path, sizeBytes: 0 }]
      }
      return [{ record: tail.readDoubleLE(16), timeMs: tail.readDoubleLE(24), path, sizeBytes }]
    } finally {
      await file.close()
    }
  }

  return {
    async open() {
      const names = await files.names(folder)
      for (const name of names) if (name.endsWith(DRAFT)) await files.remove(join(folder, name))
      snapshots = []
      for (const name of names.filter((one) => fileName.test(one)).sort()) snapshots.push(...await readTail(name))
    },
    list: () => snapshots,
    async write({ record, timeMs }, content) {
      const path = join(folder, `${String(record).padStart(16, '0')}.snapshot`)
      const file = await files.create(path + DRAFT)
      try {
        let sizeBytes = 0
        let sum = 0
        for await (const piece of content) {
          await file.write([piece], sizeBytes)
          sizeBytes += piece.length
          sum = crc32(piece, sum)
        }
        await file.write([tailOf({ record, timeMs, sizeBytes }, sum)], sizeBytes)
        await file.sync()
        await file.close()
        await files.rename(path + DRAFT, path)
        await files.syncFolder(folder)
        const snapshot = { record, timeMs, path, sizeBytes }
        snapshots = [...snapshots.filter((one) => one.record !== record), snapshot].sort((a, b) => a.record - b.record)
        return snapshot
      } catch (error) {
        await file.close().catch(() => undefined)
        await files.remove(path + DRAFT).catch(() => undefined)
        throw error
      }
    },
    async *read({ path, sizeBytes, record }) {
      const damaged = (): DataError => new DataError('DAMAGED', `${path} is damaged`)
      const file = await files.open(path)
      try {
        let sum = 0
        for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
          const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - at))
          if (await file.read(piece, at) !== piece.length) throw damaged()
          sum = crc32(piece, sum)
          yield piece
        }
        const tail = Buffer.alloc(TAIL_BYTES)
        await file.read(tail, sizeBytes)
        if (!isTail(tail) || tail.readUInt32LE(4) !== sum || tail.readDoubleLE(16) !== record) throw damaged()
      } finally {
        await file.close()
      }
    },
    file: ({ path, sizeBytes }) => ({
      size: sizeBytes + TAIL_BYTES,
      async *read() {
        const file = await files.open(path)
        try {
          for (let at = 0; at < sizeBytes + TAIL_BYTES; at += PIECE_BYTES) {
            const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes + TAIL_BYTES - at))
            await file.read(piece, at)
            yield piece
          }
        } finally {
          await file.close()
        }
      },
    }),
    async remove(snapshot) {
      // Not synced: one that comes back goes with the next.
      await files.remove(snapshot.path)
      snapshots = snapshots.filter((one) => one !== snapshot)
    },
    bytes: () => snapshots.reduce((sum, { sizeBytes }) => sum + sizeBytes + TAIL_BYTES, 0),
  }
}

function tailOf({ record, timeMs, sizeBytes }: RestorePoint & { readonly sizeBytes: number }, sum: number): Buffer {
  const tail = Buffer.alloc(TAIL_BYTES)
  MARK.copy(tail)
  tail.writeUInt32LE(sum, 4)
  tail.writeDoubleLE(sizeBytes, 8)
  tail.writeDoubleLE(record, 16)
  tail.writeDoubleLE(timeMs, 24)
  tail.writeUInt32LE(crc32(tail.subarray(0, TAIL_BYTES - 4)), TAIL_BYTES - 4)
  return tail
}

function isTail(tail: Buffer): boolean {
  return tail.subarray(0, MARK.length).equals(MARK) && tail.readUInt32LE(TAIL_BYTES - 4) === crc32(tail.subarray(0, TAIL_BYTES - 4))
}

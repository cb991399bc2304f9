/** Bytes from a caller become a version of a file: received, stored, then named in the catalog. A kill in between leaves nothing but waste. */
import { createHash, randomUUID } from 'node:crypto'
import { Problem } from '@bramble/runtime/service/problem'
import type { Quotas } from '../catalog/usage.ts'
import type { Write, WriteFile, Written } from '../catalog/write-file.ts'
import type { HashLocks } from '../storage/hash-locks.ts'
import { asProblem } from '../storage/store-problem.ts'
import type { Part, Store } from '../storage/store.ts'
import { receive } from './receive.ts'
import { sniff, SNIFF_BYTES } from './sniff.ts'

export type Incoming = Pick<Write, 'owner' | 'path' | 'metadata' | 'tags' | 'ifMatch' | 'ifNoneMatch'> & {
  readonly body: AsyncIterable<Uint8Array>
  /** Of the body; 0 when nothing is known. */
  readonly announcedBytes: number
  readonly declaredType: string | undefined
  /** SHA-256 in hexadecimal, when the caller said what it must be. */
  readonly wantedHash?: string | undefined
}

export type TakeInDeps = {
  readonly store: Store
  readonly quotas: Quotas
  readonly writeFile: WriteFile
  readonly locks: HashLocks
  readonly maxFileBytes: number
  readonly minFreeBytes: number
}

export type TakeIn = {
  /** Throws problems only. */
  take(incoming: Incoming): Promise<Written>
  /** Makes a part that is complete a version. `part` is closed, whatever happens. */
  finish(part: Part, write: Write): Promise<Written>
  /** Throws 413 or 507 when so many bytes cannot be taken. */
  checkRoom(bytes: number): Promise<void>
  /** Whether `take` is writing this part. */
  isLive(part: string): boolean
}

export function createTakeIn({ store, quotas, writeFile, locks, maxFileBytes, minFreeBytes }: TakeInDeps): TakeIn {
  const live = new Set<string>()
  const tooLarge = (): Problem => new Problem(413, 'too_large', `a file has at most ${maxFileBytes} bytes here (max_file_size)`)
  const checkRoom = async (bytes: number): Promise<void> => {
    if (bytes > maxFileBytes) throw tooLarge()
    if (store.whyNotDurable() === undefined && await store.freeBytes() - bytes < minFreeBytes) {
      throw new Problem(507, 'disk_full', `the disk has no room for it: ${minFreeBytes} bytes stay free (min_free)`)
    }
  }

  const finish = async (part: Part, write: Write): Promise<Written> => {
    // Nobody collects this content between the moment it lies there and the moment the catalog names it.
    try {
      return await locks(write.hash, async () => {
        await part.keep(write.hash)
        return await writeFile.write(write)
      })
    } finally {
      await part.close()
    }
  }

  const take = async (incoming: Incoming): Promise<Written> => {
    await checkRoom(incoming.announcedBytes)
    await writeFile.check(incoming)
    const meter = await quotas.measure(incoming.owner, incoming.announcedBytes)
    const id = `put-${randomUUID()}`
    live.add(id)
    try {
      const part = await store.openPart(id, 0)
      const sha256 = createHash('sha256')
      const head = createHead()
      let bytes = 0
      const received = await receive({
        body: incoming.body, part, watchers: [sha256, head],
        count(more) {
          bytes += more
          if (bytes > maxFileBytes) throw tooLarge()
          meter.count(more)
        },
        checkpoint: () => checkRoom(0),
      }).catch(async (error: unknown) => {
        await part.close()
        throw error
      })
      if (received.interruption !== undefined) {
        await part.close()
        throw asInterruption(received.interruption)
      }
      const hash = sha256.digest('hex')
      if (incoming.wantedHash !== undefined && incoming.wantedHash !== hash) {
        await part.close()
        throw new Problem(422, 'digest_mismatch', 'the bytes that came are not those that Content-Digest tells: send them again')
      }
      const { owner, path, metadata, tags, ifMatch, ifNoneMatch, declaredType } = incoming
      return await finish(part, {
        owner, path, metadata, tags, ifMatch, ifNoneMatch, writeId: id, hash, sizeBytes: received.bytes, contentType: sniff(head.bytes(), declaredType),
      })
    } catch (error) {
      await store.removePart(id).catch(() => undefined)
      throw error
    } finally {
      live.delete(id)
      meter.end()
    }
  }

  return {
    checkRoom,
    isLive: (part) => live.has(part),
    take: (incoming) => asProblem(take(incoming)),
    finish: (part, write) => asProblem(finish(part, write)),
  }
}

/** What a caller is told whose body ended before its end; most do not hear it any more. */
export function asInterruption(error: unknown): unknown {
  const isBroken = error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.code === 'ECONNABORTED')
  return isBroken ? new Problem(400, 'bad_request', 'the caller hung up while its body was read', { cause: error }) : error
}

/** The first bytes, for those who want to know what it is. */
function createHead() {
  let first = Buffer.alloc(0)
  return {
    update(chunk: Uint8Array): void {
      if (first.length < SNIFF_BYTES) first = Buffer.concat([first, chunk.subarray(0, SNIFF_BYTES - first.length)])
    },
    bytes: (): Uint8Array => first,
  }
}

/** Bytes for a resumable upload: into its part, synced and noted, and at the end a file. An offset that was told survives a power cut. */
import { createHash, type Hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Problem } from '@bramble/runtime/service/problem'
import type { Quotas } from '../catalog/usage.ts'
import type { WriteFile } from '../catalog/write-file.ts'
import { receive } from '../content/receive.ts'
import { sniff, SNIFF_BYTES } from '../content/sniff.ts'
import { asInterruption, type TakeIn } from '../content/take-in.ts'
import type { HashLocks } from '../storage/hash-locks.ts'
import { StoreError } from '../storage/store-error.ts'
import { asProblem } from '../storage/store-problem.ts'
import type { Part, Store } from '../storage/store.ts'
import { type Checksum, describedBy } from './headers.ts'
import type { Upload, Uploads } from './upload-rows.ts'

export type AppendDeps = {
  readonly store: Store
  readonly uploads: Uploads
  readonly quotas: Quotas
  readonly takeIn: TakeIn
  readonly writeFile: WriteFile
  readonly locks: HashLocks
}

export type Append = {
  /** Answers how it is afterwards. */
  bytes(upload: Upload, request: IncomingMessage, checksum: Checksum | undefined, signal: AbortSignal): Promise<Upload>
  /** Makes a file of an upload that has all its bytes; of one that is a file, or a part, nothing more. */
  finish(upload: Upload): Promise<void>
  /** The bytes of others, one after the other, and a file of them. */
  join(upload: Upload, parts: readonly Upload[]): Promise<void>
  remove(upload: Upload): Promise<void>
}

/** Hashes of uploads that are under way, so that their bytes need not be read again at the end. Others' are. */
const MAX_HASHES = 200
const CHECKSUM_MISMATCH = 460

export function createAppend({ store, uploads, quotas, takeIn, writeFile, locks }: AppendDeps): Append {
  const hashes = new Map<string, { readonly hash: Hash; readonly bytes: number }>()
  const remember = (id: string, hash: Hash, bytes: number): void => {
    hashes.delete(id)
    hashes.set(id, { hash, bytes })
    const [oldest] = hashes.keys()
    if (hashes.size > MAX_HASHES && oldest !== undefined) hashes.delete(oldest)
  }
  const hashUpTo = (id: string, bytes: number): Hash | undefined => {
    if (bytes === 0) return createHash('sha256')
    const known = hashes.get(id)
    return known?.bytes === bytes ? known.hash.copy() : undefined
  }

  const openPart = async (upload: Upload): Promise<Part> => {
    try {
      return await store.openPart(upload.id, upload.received)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'MISSING')) throw error
      await uploads.remove([upload.id])
      throw new Problem(404, 'not_found', `the bytes of upload ${upload.id} are not there any more: begin another one`, { cause: error })
    }
  }

  const bytes: Append['bytes'] = async (upload, request, checksum, signal) => {
    const { id, owner, length, received: from } = upload
    const announcedBytes = Number(request.headers['content-length'] ?? 0)
    if (length !== null && from + announcedBytes > length) throw tooMany(length)
    await takeIn.checkRoom(announcedBytes)
    // What was announced is counted already.
    const meter = length === null ? await quotas.measure(owner, announcedBytes) : undefined
    const stop = (): void => void request.destroy()
    const part = await openPart(upload)
    signal.addEventListener('abort', stop)
    try {
      if (signal.aborted) throw new Problem(409, 'superseded', 'another call for this upload has come: ask for its offset')
      const sha256 = hashUpTo(id, from)
      const check = checksum && createHash(checksum.algorithm)
      let at = from
      const { bytes: count, interruption } = await receive({
        body: request.iterator({ destroyOnReturn: false }), part, watchers: [...sha256 === undefined ? [] : [sha256], ...check === undefined ? [] : [check]],
        count(more) {
          at += more
          if (length !== null && at > length) throw tooMany(length)
          meter?.count(more)
        },
        async checkpoint(done) {
          await takeIn.checkRoom(0)
          // Bytes with a checksum count when all of them are there.
          if (check === undefined) await uploads.saveReceived(id, from + done)
        },
      })
      if (check !== undefined && interruption !== undefined) throw asInterruption(interruption)
      if (checksum !== undefined && check?.digest().equals(checksum.value) === false) {
        throw new Problem(CHECKSUM_MISMATCH, 'checksum_mismatch', 'the bytes that came are not those that Upload-Checksum tells: send them again')
      }
      const to = from + count
      await part.sync()
      if (sha256 !== undefined) remember(id, sha256, to)
      const expiresAt = await uploads.saveReceived(id, to)
      if (interruption !== undefined) throw asInterruption(interruption)
      return { ...upload, received: to, expires_at: expiresAt }
    } finally {
      signal.removeEventListener('abort', stop)
      meter?.end()
      await part.close()
    }
  }

  const finish: Append['finish'] = async (upload) => {
    const { id, owner, path, length, hash: known } = upload
    if (upload.file_id !== null || upload.kind === 'partial' || length === null || upload.received !== length) return
    const { declaredType, metadata, tags } = describedBy(upload.header)
    const writeOf = (hash: string, contentType: string) => ({ owner, path, metadata, tags, writeId: id, uploadId: id, hash, sizeBytes: length, contentType })
    // It became a content, and the catalog could not be told.
    if (known !== null && await store.sizeOf(known) === length) {
      await locks(known, async () => writeFile.write(writeOf(known, sniff(await firstBytes(store.read(known, 0, Math.min(length, SNIFF_BYTES))), declaredType))))
      return
    }
    const part = await openPart(upload)
    try {
      const hash = hashUpTo(id, length)?.digest('hex') ?? await hashOf(part, length)
      const contentType = sniff(await firstBytes(part.read(0, Math.min(length, SNIFF_BYTES))), declaredType)
      await uploads.saveHash(id, hash)
      await takeIn.finish(part, writeOf(hash, contentType))
      hashes.delete(id)
    } finally {
      await part.close()
    }
  }

  const join: Append['join'] = async (upload, parts) => {
    const length = upload.length ?? 0
    if (upload.hash === null || await store.sizeOf(upload.hash) !== length) {
      await takeIn.checkRoom(length)
      const part = await store.openPart(upload.id, 0)
      try {
        const sha256 = createHash('sha256')
        const { interruption } = await receive({ body: bytesOf(store, parts), part, watchers: [sha256], count: () => undefined, checkpoint: async () => undefined })
        if (interruption !== undefined) throw interruption
        await part.sync()
        remember(upload.id, sha256, length)
      } finally {
        await part.close()
      }
      await uploads.saveReceived(upload.id, length)
    }
    await finish({ ...upload, received: length })
    await uploads.remove(parts.map(({ id }) => id))
    for (const { id } of parts) await store.removePart(id)
  }

  return {
    bytes: (upload, request, checksum, signal) => asProblem(bytes(upload, request, checksum, signal)),
    finish: (upload) => asProblem(finish(upload)),
    join: (upload, parts) => asProblem(join(upload, parts)),
    async remove({ id }) {
      await uploads.remove([id])
      hashes.delete(id)
      await store.removePart(id)
    },
  }
}

async function* bytesOf(store: Store, parts: readonly Upload[]): AsyncGenerator<Uint8Array> {
  for (const { id, received } of parts) {
    const part = await store.openPart(id, received)
    try {
      yield* part.read(0, received)
    } finally {
      await part.close()
    }
  }
}

async function hashOf(part: Part, length: number): Promise<string> {
  const sha256 = createHash('sha256')
  for await (const chunk of part.read(0, length)) sha256.update(chunk)
  return sha256.digest('hex')
}

async function firstBytes(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function tooMany(length: number): Problem {
  return new Problem(413, 'too_large', `this upload was announced with ${length} bytes, and these are more`)
}

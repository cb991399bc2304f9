/**
 * An OCI image layout folder: blobs under the digest of their bytes, and `index.json`, which says what is an image.
 * A blob appears whole or not at all, and what is read is what was written, or the read fails with the blob's name.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { BrambleError, hasCode } from '../lib/errors.ts'
import { diskError } from './disk-error.ts'
import { withFileLock } from './file-lock.ts'
import { mediaTypes, REFERENCE_ANNOTATION, type Descriptor, type Digest, type Index } from './oci.ts'
import { parseDigest, parseIndex } from './parse-oci.ts'

/** Which bytes; a descriptor is one. */
export type BlobName = { readonly digest: Digest; readonly size: number }
export type BlobSource = Uint8Array | string | AsyncIterable<Uint8Array>

export type Layout = {
  readonly folder: string
  /** Whether a blob of that length is there; its bytes are checked when they are read. */
  has(blob: BlobName): Promise<boolean>
  /** Bytes of a blob; `undefined` when there is none. */
  size(digest: Digest): Promise<number | undefined>
  /**
   * The bytes from `start` on. All of them are read and checked: a spoilt blob ends the stream with an error before its
   * last piece, so that nobody takes it for whole. `NOT_FOUND` when there is none.
   */
  read(blob: BlobName, start?: number): Readable
  /** A manifest, index or configuration, checked. */
  readJson(blob: BlobName): Promise<unknown>
  /** Keeps a blob; one that is there already is replaced, which mends it. `INVALID` when it is not the `expected` one. */
  write(source: BlobSource, expected?: Partial<BlobName>): Promise<BlobName>
  writeJson(mediaType: string, value: unknown): Promise<Descriptor>
  /** The images; empty when nothing has been made yet. */
  index(): Promise<Index>
  /** The image known as `reference`. */
  find(reference: string): Promise<Descriptor | undefined>
  /** Makes `image` the one known as `reference`. */
  tag(reference: string, image: Descriptor): Promise<void>
  /** The digests of all blobs. */
  blobs(): Promise<readonly Digest[]>
  /** Removes blobs that no image needs and nobody has written since `before`: another build may be about to need its own. */
  sweep(needed: ReadonlySet<Digest>, before: Date): Promise<void>
}

/** Manifests and configurations are a few KB; registries refuse more than 4 MiB. */
const MAX_JSON_BYTES = 4 * 1024 * 1024

export function createLayout(folder: string): Layout {
  const drafts = join(folder, '.drafts')
  const blobs = join(folder, 'blobs', 'sha256')
  const pathOf = (digest: Digest): string => join(blobs, digest.slice('sha256:'.length))

  /** Writes a draft, and puts it where `place` says. */
  const appear = async <T>(what: string, source: BlobSource, place: (written: BlobName) => { path: string; result: T }): Promise<T> => {
    const draft = join(drafts, randomUUID())
    try {
      await mkdir(blobs, { recursive: true })
      await mkdir(drafts, { recursive: true })
      const { path, result } = place(await writeFile(draft, source))
      await rename(draft, path)
      return result
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined)
      throw diskError(error, what, folder)
    }
  }

  const layout: Layout = {
    folder,
    has: async ({ digest, size }) => await layout.size(digest) === size,
    async size(digest) {
      try {
        return (await stat(pathOf(digest))).size
      } catch (error) {
        if (isAbsence(error)) return undefined
        throw error
      }
    },
    read: (blob, start = 0) => Readable.from(checkedBytes(pathOf(blob.digest), blob, start), { objectMode: false }),
    async readJson(blob) {
      if (blob.size > MAX_JSON_BYTES) throw new BrambleError('TOO_LARGE', `${blob.digest} is said to be JSON, but has ${blob.size} bytes`)
      const chunks: Uint8Array[] = []
      for await (const chunk of checkedBytes(pathOf(blob.digest), blob, 0)) chunks.push(chunk)
      try {
        return JSON.parse(Buffer.concat(chunks).toString()) as unknown
      } catch (cause) {
        throw new BrambleError('INVALID', `${blob.digest} in ${folder} is no JSON`, { cause })
      }
    },
    write: (source, expected = {}) => appear(`the blob ${expected.digest ?? 'of an image'}`, source, (written) => {
      if (expected.digest !== undefined && expected.digest !== written.digest) {
        throw new BrambleError('INVALID', `a blob should have the digest ${expected.digest}, but has ${written.digest}: it was spoilt on its way; try again`)
      }
      if (expected.size !== undefined && expected.size !== written.size) {
        throw new BrambleError('INVALID', `${written.digest} should have ${expected.size} bytes, but has ${written.size}`)
      }
      return { path: pathOf(written.digest), result: written }
    }),
    async writeJson(mediaType, value) {
      return { mediaType, ...await layout.write(JSON.stringify(value)) }
    },
    async index() {
      const path = join(folder, 'index.json')
      let text: string
      try {
        text = await readFile(path, 'utf8')
      } catch (error) {
        if (isAbsence(error)) return { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }
        throw error
      }
      try {
        return parseIndex(JSON.parse(text), path, mediaTypes.index)
      } catch (cause) {
        throw new BrambleError('INVALID', `${path} is damaged: remove the folder, and make the images again`, { cause })
      }
    },
    async find(reference) {
      const { manifests } = await layout.index()
      return manifests.find(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] === reference)
    },
    async tag(reference, image) {
      const { mediaType, digest, size } = image
      const entry: Descriptor = { mediaType, digest, size, annotations: { [REFERENCE_ANNOTATION]: reference } }
      const place = (name: string) => () => ({ path: join(folder, name), result: undefined })
      await appear('the image folder', '{"imageLayoutVersion":"1.0.0"}', place('oci-layout'))
      await withFileLock(join(folder, '.index.lock'), async () => {
        const { manifests } = await layout.index()
        const kept = manifests.filter(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] !== reference)
        const index: Index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...kept, entry].sort(byReference) }
        await appear('the list of images', JSON.stringify(index, undefined, 2), place('index.json'))
      }).catch((error: unknown) => { throw diskError(error, 'the list of images', folder) })
    },
    async blobs() {
      return (await namesIn(blobs)).map((name) => parseDigest(`sha256:${name}`, `the file ${name} in ${blobs}`))
    },
    async sweep(needed, before) {
      for (const place of [blobs, drafts]) {
        for (const name of await namesIn(place)) {
          const path = join(place, name)
          if (place !== drafts && needed.has(`sha256:${name}`)) continue
          const info = await stat(path).catch(() => undefined)
          if (info && info.mtime < before) await rm(path, { force: true })
        }
      }
    },
  }
  return layout
}

/** The last piece is held back until all is known to be right. */
async function* checkedBytes(path: string, { digest, size }: BlobName, start: number): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const spoilt = (why: string) =>
    new BrambleError('INVALID', `${path} is spoilt (${why}): remove it, and make the image again`)
  let position = 0
  let held: Uint8Array | undefined
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk)
      const wanted = chunk.subarray(Math.max(0, start - position))
      position += chunk.length
      if (position > size) throw spoilt(`it is longer than ${size} bytes`)
      if (wanted.length === 0) continue
      if (held) yield held
      held = wanted
    }
  } catch (error) {
    if (isAbsence(error)) throw new BrambleError('NOT_FOUND', `${path} is missing: make the image again`, { cause: error })
    if (hasCode(error, 'EACCES')) throw new BrambleError('UNAVAILABLE', `${path} may not be read by this user`, { cause: error })
    if (hasCode(error, 'EIO')) throw new BrambleError('UNAVAILABLE', `${path} cannot be read: the disk reports a fault`, { cause: error })
    throw error
  }
  if (position < size) throw spoilt(`it has ${position} of ${size} bytes`)
  if (`sha256:${hash.digest('hex')}` !== digest) throw spoilt('its bytes do not match its name')
  if (held) yield held
}

/** A file in the place of a folder is for the next write to tell. */
function isAbsence(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isAbsence(error)) return []
    throw error
  }
}

async function writeFile(path: string, source: BlobSource): Promise<BlobName> {
  const hash = createHash('sha256')
  let size = 0
  const file = await open(path, 'wx')
  try {
    for await (const chunk of typeof source === 'string' || source instanceof Uint8Array ? [Buffer.from(source)] : source) {
      hash.update(chunk)
      size += chunk.length
      for (let written = 0; written < chunk.length;) written += (await file.write(chunk, written)).bytesWritten
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return { digest: `sha256:${hash.digest('hex')}`, size }
}

function byReference(a: Descriptor, b: Descriptor): number {
  const [first, second] = [a, b].map(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] ?? '')
  return (first ?? '') < (second ?? '') ? -1 : 1
}

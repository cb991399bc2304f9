/** A layer: files as a compressed tar archive, known by the digest of either form. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { compose, Readable } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'
import { BrambleError, hasCode } from '../lib/errors.ts'
import type { Layout } from './layout.ts'
import { mediaTypes, type Descriptor, type Digest } from './oci.ts'
import { tarBytes, type TarEntry } from './tar.ts'

export type Layer = {
  /** The compressed blob. */
  readonly descriptor: Descriptor
  /** Of the archive before compression. */
  readonly diffId: Digest
}

/** Called while something long is done: how much of `totalBytes`. */
export type Progress = (doneBytes: number, totalBytes: number) => void

/** The highest that takes seconds for a base; docs/decisions/0004-images.md has the figures. */
export const COMPRESSION_LEVEL = 12

/** Writes a layer's blob. The same entries give the same bytes. */
export async function writeLayer(layout: Layout, entries: readonly TarEntry[], onProgress?: Progress): Promise<Layer> {
  const hash = createHash('sha256')
  let archiveBytes = 0
  for await (const chunk of tarBytes(entries)) {
    hash.update(chunk)
    archiveBytes += chunk.length
  }
  const reported = async function* () {
    let doneBytes = 0
    for await (const chunk of tarBytes(entries)) {
      yield chunk
      onProgress?.(doneBytes += chunk.length, archiveBytes)
    }
  }
  const compress = createZstdCompress({
    // Told the size, it takes small tables for a small layer: 20 KB are packed in a tenth of the time.
    pledgedSrcSize: archiveBytes,
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
  })
  const blob = await layout.write(compose(Readable.from(reported()), compress))
  return { descriptor: { mediaType: mediaTypes.layerZstd, ...blob }, diffId: `sha256:${hash.digest('hex')}` }
}

/** The files of a folder as they will lie at `into`. `NOT_FOUND` when there is no such folder, or nothing in it. */
export async function folderEntries(folder: string, into: string): Promise<readonly TarEntry[]> {
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    if (hasCode(cause, 'ENOENT')) throw new BrambleError('NOT_FOUND', `there is no ${folder}: build it first with "npm run build"`, { cause })
    throw cause
  })
  const entries: TarEntry[] = []
  for (const name of names) {
    const path = join(folder, name)
    const info = await stat(path)
    if (!info.isFile()) continue
    const mode = (info.mode & 0o100) === 0 ? 0o644 : 0o755
    entries.push({ path: join(into, name), type: 'file', content: await readFile(path), mode })
  }
  if (entries.length === 0) throw new BrambleError('NOT_FOUND', `${folder} is empty: build it first with "npm run build"`)
  return entries
}

/** Images as one file for machines without a way to a registry: `ctr images import`, K3s' folder of images, `docker load`. */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BrambleError } from '../lib/errors.ts'
import { diskError } from './disk-error.ts'
import { readImageTree } from './image-tree.ts'
import type { BlobName, Layout } from './layout.ts'
import { mediaTypes, REFERENCE_ANNOTATION, type Descriptor, type Digest, type Index } from './oci.ts'
import { formatReference, parseReference } from './reference.ts'
import { tarBytes, type TarEntry } from './tar.ts'

/** containerd takes an image's name from here, with its registry: it knows no other. */
const CONTAINERD_NAME = 'io.containerd.image.name'

/** Writes the images known as `references`, with all they need. `NOT_FOUND` when one has not been made. The file appears whole. */
export async function writeArchive(layout: Layout, references: readonly string[], path: string): Promise<void> {
  const images: Descriptor[] = []
  const blobs = new Map<Digest, BlobName>()
  for (const reference of references) {
    const image = await layout.find(reference)
    if (!image) throw new BrambleError('NOT_FOUND', `the image ${reference} is not in ${layout.folder}: make it first`)
    const { blobs: content, manifests } = await readImageTree(layout, image)
    for (const blob of [...content, ...manifests]) blobs.set(blob.digest, blob)
    const { mediaType, digest, size } = image
    const name = formatReference(parseReference(reference))
    images.push({ mediaType, digest, size, annotations: { [REFERENCE_ANNOTATION]: name, [CONTAINERD_NAME]: name } })
  }
  const index: Index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: images }
  const entries: TarEntry[] = [text('oci-layout', '{"imageLayoutVersion":"1.0.0"}'), text('index.json', JSON.stringify(index))]
  for (const { digest, size } of blobs.values()) {
    entries.push({
      path: `blobs/sha256/${digest.slice('sha256:'.length)}`, type: 'file', mode: 0o644,
      content: { size, read: () => layout.read({ digest, size }) },
    })
  }
  await writeWhole(path, tarBytes(entries))
}

async function writeWhole(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(draft, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw diskError(error, 'the archive', path)
  }
}

function text(path: string, content: string): TarEntry {
  return { path, type: 'file', content: Buffer.from(content), mode: 0o644 }
}

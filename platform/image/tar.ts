/** Tar archives whose bytes depend on their content alone: sorted, without owners and dates. */
import { createTarDecoder, createTarPacker } from 'modern-tar'
import { BrambleError, reasonOf } from '../lib/errors.ts'

export type TarEntry = {
  /** Relative, without a slash at either end. */
  readonly path: string
} & (
  | { readonly type: 'file'; readonly content: Uint8Array | StreamedContent; readonly mode: number }
  | { readonly type: 'folder'; readonly mode: number }
  | { readonly type: 'link'; readonly target: string }
)

/** Too much to hold; exactly `size` bytes. */
export type StreamedContent = { readonly size: number; readonly read: () => AsyncIterable<Uint8Array> }
/** What comes out of an archive is held. */
export type ReadEntry = Exclude<TarEntry, { readonly type: 'file' }> | (TarEntry & { readonly type: 'file'; readonly content: Uint8Array })

/** Nobody's date, but later than what some programs take for "none". */
const MODIFIED_AT = new Date('1980-01-01T00:00:00Z')
const FOLDER_MODE = 0o755
/** In a layer a file of this name says that another one is deleted. */
const WHITEOUT = '.wh.'

/** Folders on the way to an entry are added. `INVALID` for a path given twice, or that leads elsewhere. */
export async function* tarBytes(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  const sorted = withFolders(entries)
  const { readable, controller } = createTarPacker()
  const written = (async () => {
    for (const entry of sorted) await pack(controller, entry)
    controller.finalize()
  })()
  written.catch((error: unknown) => controller.error(error))
  yield* readable
  await written
}

async function pack(controller: ReturnType<typeof createTarPacker>['controller'], entry: TarEntry): Promise<void> {
  const common = { mtime: MODIFIED_AT, uid: 0, gid: 0, uname: '', gname: '' }
  switch (entry.type) {
    case 'folder':
      return controller.add({ ...common, name: `${entry.path}/`, type: 'directory', size: 0, mode: entry.mode }).close()
    case 'link':
      return controller.add({ ...common, name: entry.path, type: 'symlink', size: 0, mode: 0o777, linkname: entry.target }).close()
    case 'file': {
      const { content } = entry
      const size = sizeOf(entry)
      const writer = controller.add({ ...common, name: entry.path, type: 'file', size, mode: entry.mode }).getWriter()
      for await (const chunk of content instanceof Uint8Array ? [content] : content.read()) {
        await writer.ready
        await writer.write(chunk)
      }
      return writer.close()
    }
  }
}

/** Bytes of its content. */
export function sizeOf(entry: TarEntry): number {
  if (entry.type !== 'file') return 0
  return entry.content instanceof Uint8Array ? entry.content.length : entry.content.size
}

function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const all = new Map<string, TarEntry>()
  for (const entry of entries) {
    const parts = entry.path.split('/')
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.startsWith(WHITEOUT))) {
      throw new BrambleError('INVALID', `"${entry.path}" cannot be a path in an image`)
    }
    if (all.has(entry.path)) throw new BrambleError('INVALID', `"${entry.path}" comes twice in one layer`)
    all.set(entry.path, entry)
  }
  for (const path of [...all.keys()]) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end)
      const above = all.get(folder)
      if (above && above.type !== 'folder') throw new BrambleError('INVALID', `"${folder}" is no folder, but "${path}" lies in it`)
      if (!above) all.set(folder, { path: folder, type: 'folder', mode: FOLDER_MODE })
    }
  }
  return [...all.values()].sort((a, b) => a.path < b.path ? -1 : 1)
}

/** The entries that `isWanted`; a hard link becomes a copy. `INVALID` when `what` is no tar archive. */
export async function readTar(
  bytes: AsyncIterable<Uint8Array>, what: string, isWanted: (path: string) => boolean,
): Promise<readonly ReadEntry[]> {
  const found = new Map<string, ReadEntry>()
  try {
    const decoded = ReadableStream.from(bytes).pipeThrough(createTarDecoder({ strict: true }))
    for await (const { header, body } of decoded) {
      const path = header.name.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '')
      if (path === '.' || !isWanted(path)) {
        // Read to its end: cancelling a body may stop modern-tar 0.8.6 for good.
        await body.pipeTo(new WritableStream())
        continue
      }
      const mode = (header.mode ?? 0) & 0o7777
      if (header.type === 'directory') found.set(path, { path, type: 'folder', mode })
      else if (header.type === 'symlink') found.set(path, { path, type: 'link', target: header.linkname ?? '' })
      else if (header.type === 'link') {
        const target = found.get((header.linkname ?? '').replace(/^(?:\.?\/)+/, ''))
        if (target?.type !== 'file') throw new BrambleError('INVALID', `${path} is a link to ${header.linkname}, which is not there`)
        found.set(path, { ...target, path })
      } else if (header.type === undefined || header.type === 'file') {
        found.set(path, { path, type: 'file', content: new Uint8Array(await new Response(body).arrayBuffer()), mode })
      } else throw new BrambleError('INVALID', `${path} is a ${header.type}`)
    }
  } catch (cause) {
    throw new BrambleError('INVALID', `${what} cannot be read: ${reasonOf(cause)}`, { cause })
  }
  return [...found.values()]
}

/** Makes the images of built functions into the layout folder `dist/images`. */
import { join, resolve } from 'node:path'
import { makeFunctionImage } from '../image/function-image.ts'
import { readImageTree } from '../image/image-tree.ts'
import { createLayout, type Layout } from '../image/layout.ts'
import type { Descriptor, Digest } from '../image/oci.ts'
import { makePlatformImage } from '../image/platform-image.ts'
import type { MadeImage } from '../image/program-image.ts'
import { revisionOf } from '../image/revision.ts'
import { BrambleError } from '../lib/errors.ts'
import { handlerFolder } from '../stack/build-context.ts'
import { BUNDLED_LANG } from '../stack/handler-file.ts'
import { imageName } from '../stack/image-name.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import type { Io } from './command.ts'
import { openBases, type BaseChoice } from './image-bases.ts'
import { sizeText } from './meter.ts'
import { projectRoot } from './project.ts'
import { paint, tell } from './terminal.ts'
import { readVersion } from './version.ts'

export type MakeImagesOptions = Omit<BaseChoice, 'layout'> & {
  readonly stack: StackFile
  /** Built already. Those of other languages, and those that are not built at all, are left out. */
  readonly functions: readonly StackFunction[]
  /** The name of the platform's own image; without it that one is not made. */
  readonly platformImage?: string | undefined
}

export type NamedImage = {
  /** What it is for: the function, or `platform`. */
  readonly name: string
  /** As the stack file has it, and as the layout knows it. */
  readonly reference: string
  readonly image: Descriptor
}

const IMAGES_FOLDER = 'dist/images'
/** What no image needs goes after this time: another build may be writing. */
const SWEEP_AGE_MS = 3_600_000

export function openImageLayout(io: Io): Layout {
  return createLayout(resolve(io.cwd, IMAGES_FOLDER))
}

/** In the order of the functions, and the platform last; functions that share an image share its entry. */
export async function makeImages(io: Io, options: MakeImagesOptions): Promise<readonly NamedImage[]> {
  try {
    return await makeAll(io, options)
  } catch (cause) {
    if (!options.signal?.aborted) throw cause
    throw new BrambleError('UNAVAILABLE', 'interrupted: images that were made before are as they were', { cause })
  }
}

async function makeAll(io: Io, options: MakeImagesOptions): Promise<readonly NamedImage[]> {
  const { stack, functions, platformImage } = options
  const layout = openImageLayout(io)
  const bases = await openBases(io, { ...options, layout })
  for (const { platform, layers } of bases) {
    tell(io, paint(io, 'dim', `base for ${platform.os}/${platform.architecture}: ${sizeText(layers.reduce((sum, { size }) => sum + size, 0))}`))
  }
  const made: NamedImage[] = []
  const keep = async (name: string, reference: string, make: () => Promise<MadeImage>): Promise<void> => {
    options.signal?.throwIfAborted()
    const startedAt = performance.now()
    const before = await layout.find(reference)
    const { image, layer } = await make()
    await layout.tag(reference, image)
    made.push({ name, reference, image })
    tell(io, `${name}: image ${reference} ${paint(io, 'cyan', image.digest)}, layer ${sizeText(layer.descriptor.size)} in ` +
      `${Math.round(performance.now() - startedAt)} ms${before?.digest === image.digest ? paint(io, 'dim', ' (unchanged)') : ''}`)
  }

  for (const one of functions) {
    if (made.some(({ reference }) => reference === one.image) || !isImageMade(io, one)) continue
    await keep(one.name, one.image, async () => makeFunctionImage({
      layout, bases, name: imageName(one),
      folder: resolve(io.cwd, io.env['functions_dir'] || 'dist/functions', imageName(one)),
      revision: await revisionOf(stack.folder, [handlerFolder(stack, one), join(projectRoot(), 'template', BUNDLED_LANG, 'runtime')]),
    }))
  }
  if (platformImage !== undefined) {
    await keep('platform', platformImage, async () => {
      const revision = await revisionOf(projectRoot(), [join(projectRoot(), 'platform')])
      const version = { release: readVersion().release, sha: revision.commit ?? 'unknown' }
      return makePlatformImage({ layout, bases, revision, version, folder: join(projectRoot(), 'dist') })
    })
  }
  await sweep(layout)
  return made
}

function isImageMade(io: Io, one: StackFunction): boolean {
  if (one.isBuildSkipped || one.handler === undefined) return false
  if (one.lang === BUNDLED_LANG) return true
  tell(io, paint(io, 'yellow', `${one.name}: no image is made, as its language is ${one.lang}: build it with "faas-cli build"`))
  return false
}

/** Nothing goes while an image of the folder cannot be read: whoever pushes that one is told. */
async function sweep(layout: Layout): Promise<void> {
  const needed = new Set<Digest>()
  try {
    for (const image of (await layout.index()).manifests) {
      const { blobs, manifests } = await readImageTree(layout, image)
      for (const { digest } of [...blobs, ...manifests]) needed.add(digest)
    }
  } catch (error) {
    if (error instanceof BrambleError) return
    throw error
  }
  await layout.sweep(needed, new Date(Date.now() - SWEEP_AGE_MS))
}

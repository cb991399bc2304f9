/** Pushes made images to the registries that their names say, one after the other, and tells how it goes. */
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { Layout } from '../image/layout.ts'
import type { Digest } from '../image/oci.ts'
import { pushImage } from '../image/push.ts'
import { DEFAULT_REGISTRY, formatReference, parseReference } from '../image/reference.ts'
import type { Io } from './command.ts'
import { formatDuration } from './duration.ts'
import { createLayerProgress } from './layer-progress.ts'
import type { NamedImage } from './make-images.ts'
import { sizeText } from './meter.ts'
import type { RegistryAccess } from './registry-access.ts'
import { paint, tell } from './terminal.ts'

export type PushImagesOptions = {
  readonly layout: Layout
  readonly images: readonly NamedImage[]
  readonly access: RegistryAccess
  /** What the images are built upon, when it is in a registry: its layers need not be sent to the same one again. */
  readonly base?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is wrong with the registry rather than with one image: the next image would wait for the same answer. */
const registryTroubles = ['UNAVAILABLE', 'TIMEOUT', 'UPSTREAM', 'BUSY']

/** Digests by the images' names in the stack file; one that failed is told, and is not among them. */
export async function pushImages(io: Io, { layout, images, access, base, signal }: PushImagesOptions): Promise<ReadonlyMap<string, Digest>> {
  // Before the first byte is sent: a name that is wrong is one line.
  const parsed = images.map((one) => ({ ...one, target: parseReference(one.reference) }))
  const hubbed = parsed.filter(({ reference, target }) => target.registry === DEFAULT_REGISTRY && !reference.startsWith(DEFAULT_REGISTRY))
  if (hubbed.length > 0) {
    tell(io, paint(io, 'yellow', `warning: image ${hubbed[0]?.reference} names no registry, so it goes to ${DEFAULT_REGISTRY}: write registry.local:5000/… in the stack file for one of your own`))
  }
  const sources = [...parsed.map(({ target }) => target), ...(base === undefined ? [] : [parseReference(base)])]
  const pushed = new Map<string, Digest>()
  const troubled = new Set<string>()
  for (const { name, reference, image, target } of parsed) {
    if (troubled.has(target.registry)) {
      tell(io, paint(io, 'red', `${name}: not pushed, for the same reason`))
      continue
    }
    const startedAt = performance.now()
    tell(io, `${name}: pushing ${formatReference(target)}`)
    const progress = createLayerProgress(io)
    access.tellThrough(progress.note)
    try {
      const { digest, sent, isChanged } = await pushImage({
        layout, image, reference: target, signal, registry: await access.open(target.registry),
        mountFrom: [...new Set(sources.filter(({ registry }) => registry === target.registry).map(({ repository }) => repository))],
        onProgress: progress.show,
      })
      progress.end()
      const layers = sent.filter(({ kind }) => kind === 'layer')
      const what = layers.length === 0 ? 'no layer' : `${layers.length} layer${layers.length === 1 ? '' : 's'}, ${sizeText(layers.reduce((sum, { size }) => sum + size, 0))}`
      tell(io, `${name}: ${paint(io, 'green', isChanged ? `pushed in ${formatDuration(performance.now() - startedAt)} (${what})` : 'is in the registry already')}  ` +
        `${formatReference(target)} ${paint(io, 'cyan', digest)}`)
      pushed.set(reference, digest)
    } catch (error) {
      progress.end()
      if (signal?.aborted) {
        throw new BrambleError('UPSTREAM', `${name}: the push was interrupted: no tag was changed; push again to go on with what is missing`, { cause: error })
      }
      if (!(error instanceof BrambleError)) throw error
      tell(io, paint(io, 'red', `${name}: ${reasonOf(error)}`))
      if (registryTroubles.includes(error.code)) troubled.add(target.registry)
    } finally {
      access.tellThrough()
    }
  }
  return pushed
}

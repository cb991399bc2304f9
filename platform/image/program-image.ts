/** The image of a program for Node: its files as a layer upon the base. */
import type { BaseImage } from './base-image.ts'
import { writeImage } from './image.ts'
import { writeLayer, type Layer } from './layer.ts'
import type { Layout } from './layout.ts'
import type { ContainerConfig, Descriptor } from './oci.ts'
import type { Revision } from './revision.ts'
import type { TarEntry } from './tar.ts'

export type ProgramImageOptions = {
  readonly layout: Layout
  readonly bases: readonly BaseImage[]
  readonly revision: Revision
}
/** `image` is an index for all platforms of `bases`; `layer` is what was put upon them. */
export type MadeImage = { readonly image: Descriptor; readonly layer: Layer }

type Program = {
  readonly title: string
  readonly entries: readonly TarEntry[]
  readonly config: ContainerConfig
}

/** As the template's Dockerfile has it. */
const USER = '12000:12000'

export async function makeProgramImage(
  { layout, bases, revision }: ProgramImageOptions, { title, entries, config }: Program,
): Promise<MadeImage> {
  const layer = await writeLayer(layout, entries)
  const image = await writeImage(bases, {
    layout, layers: [layer], created: revision.created, createdBy: `bramble build ${title}`,
    config: {
      User: USER,
      Labels: {
        'org.opencontainers.image.title': title,
        'org.opencontainers.image.created': revision.created,
        ...(revision.commit === undefined ? {} : { 'org.opencontainers.image.revision': revision.commit }),
      },
      ...config,
    },
  })
  return { image, layer }
}

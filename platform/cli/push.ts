/** `bramble push` */
import { BrambleError } from '../lib/errors.ts'
import { BUNDLED_LANG } from '../stack/handler-file.ts'
import { createCommand } from './command.ts'
import { openImageLayout, type NamedImage } from './make-images.ts'
import { pushImages } from './push-images.ts'
import { createRegistryAccess, registryOptions } from './registry-access.ts'
import { chosenFunctions, openStack, stackOptions } from './target.ts'
import { paint, tell } from './terminal.ts'

export const push = createCommand({
  name: 'push',
  usage: '[NAME…] [options]',
  summary: 'sends the images that "bramble build" made to the registries in their names',
  details: 'Only what a registry lacks is sent; the tag comes last, so an interrupted push changes nothing that is used.\n' +
    'Credentials come from a file or from Docker\'s configuration with its helpers: "docker login" or --registry-auth.',
  options: {
    ...stackOptions,
    ...registryOptions,
    'platform-image': { type: 'string', value: 'IMAGE', meaning: 'also push the image of Bramble itself, which was made under this name' },
  },
  async run({ options, args, io }) {
    const signal = io.interrupted()
    const stack = await openStack(io, options)
    const layout = openImageLayout(io)
    const images: NamedImage[] = []
    const add = async (name: string, reference: string, remedy: string): Promise<void> => {
      const image = await layout.find(reference)
      if (!image) throw new BrambleError('NOT_FOUND', `the image ${reference} of ${name} has not been made: ${remedy}`)
      if (!images.some((one) => one.reference === reference)) images.push({ name, reference, image })
    }
    for (const one of chosenFunctions(stack, options, args)) {
      if (one.lang === BUNDLED_LANG && !one.isBuildSkipped) await add(one.name, one.image, `make it with "bramble build ${one.name}"`)
      else tell(io, paint(io, 'yellow', `${one.name}: not pushed, as its image is not made here: push it with "faas-cli push"`))
    }
    const platform = options['platform-image']
    if (platform !== undefined) await add('platform', platform, `make it with "bramble build --platform-image ${platform}"`)
    const access = createRegistryAccess(io, options)
    try {
      const pushed = await pushImages(io, { layout, images, access, signal })
      return pushed.size === images.length ? 0 : 1
    } finally {
      access.close()
    }
  },
})

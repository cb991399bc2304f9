/** `bramble up` */
import { BrambleError } from '../lib/errors.ts'
import { pinReference } from '../image/reference.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import type { StackFile } from '../stack/read-stack.ts'
import { chosenPlatforms, imageOptions } from './build-images.ts'
import { build, tellEvent } from './build.ts'
import { createCommand, type Io, type OptionValues } from './command.ts'
import { deployFunctions } from './deploy-functions.ts'
import { parseDuration } from './duration.ts'
import { makeImages, openImageLayout } from './make-images.ts'
import { pushImages } from './push-images.ts'
import { createRegistryAccess, registryOptions } from './registry-access.ts'
import { chosenFunctions, gatewayOptions, openGateway, openStack, stackOptions } from './target.ts'

export const up = createCommand({
  name: 'up',
  usage: '[NAME…] [options]',
  summary: 'builds the functions of a stack file, deploys them, and waits until they serve',
  details: 'With --push it makes images and sends them to the registries in their names first, as a gateway on a cluster needs it; what is\n' +
    'deployed is then the image by tag and digest, so that the same tag never means an older version.',
  options: {
    ...gatewayOptions,
    ...stackOptions,
    push: { type: 'boolean', meaning: 'make images, and push them before they are deployed' },
    ...imageOptions,
    ...registryOptions,
    'skip-build': { type: 'boolean', meaning: 'deploy what is built already' },
    timeout: { type: 'string', value: 'DURATION', meaning: 'how long to wait for the new versions (60s)' },
  },
  async run({ options, args, io }) {
    const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, '--timeout')
    if (!options.push && (options.base !== undefined || options.platform.length > 0)) {
      throw new BrambleError('INVALID', '--base and --platform are about images: add --push')
    }
    const stack = await openStack(io, options)
    const chosen = chosenFunctions(stack, options, args)
    const unbuilt = new Set<string>()
    let isBuilt = true
    if (!options['skip-build']) {
      const names = chosen.map(({ name }) => name)
      isBuilt = await build(io, { stackFile: stack.path, functions: names, isSubstituted: options.envsubst !== false }, (event) => {
        if (event.event === 'failed') unbuilt.add(event.function)
        // The stack file has been read here already, and its warnings told.
        if (event.event !== 'warning' || event.function) tellEvent(io, event)
      })
      // A failure that belongs to no function is about all of them.
      if (unbuilt.has('') || (!isBuilt && unbuilt.size === 0)) return 1
    }
    const client = await openGateway(io, options, stack)
    const built = chosen.filter(({ name }) => !unbuilt.has(name))
    const pushed = options.push ? await publish(io, stack, built, options) : built
    const results = await deployFunctions(io, client, stack, pushed, { namespace: options.namespace, timeoutMs })
    return isBuilt && pushed.length === built.length && results.every(({ isReady }) => isReady) ? 0 : 1
  },
})

/** The functions that can be deployed, with their images pinned; what has no image of ours is deployed as it is. */
async function publish(
  io: Io, stack: StackFile, functions: readonly StackFunction[], options: OptionValues<typeof imageOptions & typeof registryOptions>,
): Promise<readonly StackFunction[]> {
  const signal = io.interrupted()
  const access = createRegistryAccess(io, options)
  try {
    const images = await makeImages(io, {
      stack, functions, platforms: chosenPlatforms(options.platform), base: options.base, openRegistry: access.open, signal,
    })
    const digests = await pushImages(io, { layout: openImageLayout(io), images, access, base: options.base, signal })
    return functions.flatMap((one) => {
      if (!images.some(({ reference }) => reference === one.image)) return [one]
      const digest = digests.get(one.image)
      return digest === undefined ? [] : [{ ...one, image: pinReference(one.image, digest) }]
    })
  } finally {
    access.close()
  }
}

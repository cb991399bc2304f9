/** `bramble build` */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { writeArchive } from '../image/archive.ts'
import { platformName, supportedPlatforms, type Platform } from '../image/oci.ts'
import { BrambleError } from '../lib/errors.ts'
import type { StackFunction } from '../stack/parse-stack.ts'
import { showPath, type StackFile } from '../stack/read-stack.ts'
import { build, tellEvent } from './build.ts'
import { createCommand, takeArguments, type Io, type OptionSpecs } from './command.ts'
import { updateBaseLock } from './image-bases.ts'
import { makeImages, openImageLayout } from './make-images.ts'
import { sizeText } from './meter.ts'
import { createRegistryAccess, registryOptions } from './registry-access.ts'
import { chosenFunctions, openStack, stackOptions } from './target.ts'
import { print, tell } from './terminal.ts'

/** Those of a command that makes images. */
export const imageOptions = {
  platform: { type: 'string', value: 'PLATFORM', multiple: true, meaning: `for what machines (${supportedPlatforms.map(platformName).join(' and ')})` },
  base: { type: 'string', value: 'IMAGE', meaning: 'build upon this image, as in node:24-slim, instead of the small base that is made here' },
} as const satisfies OptionSpecs

/** All that are supported when none is named. `INVALID` for another one. */
export function chosenPlatforms(names: readonly string[] = []): readonly Platform[] {
  const chosen = names.flatMap((name) => name.split(',')).map((name) => {
    const found = supportedPlatforms.find((one) => platformName(one) === name.trim())
    if (!found) throw new BrambleError('INVALID', `--platform ${name}: images are made for ${supportedPlatforms.map(platformName).join(' and ')}`)
    return found
  })
  return chosen.length === 0 ? supportedPlatforms : [...new Set(chosen)]
}

export const buildImages = createCommand({
  name: 'build',
  usage: '[NAME…] [options]',
  summary: 'makes an image of each function, without Docker and without root',
  details: 'Images come into the folder dist/images, which is an OCI layout; "bramble push" or "bramble up --push" sends them to their registries.',
  options: {
    ...stackOptions,
    ...imageOptions,
    ...registryOptions,
    archive: { type: 'string', value: 'FILE', meaning: 'also write them into one file, for "ctr images import" and K3s\' folder of images' },
    'platform-image': { type: 'string', value: 'IMAGE', meaning: 'also make the image of Bramble itself, under this name' },
    'skip-build': { type: 'boolean', meaning: 'take the bundles that are there' },
    'update-base': { type: 'boolean', meaning: 'only lock the newest Debian packages for the base, and make nothing' },
  },
  async run({ options, args, io }) {
    const signal = io.interrupted()
    if (options['update-base']) {
      takeArguments('build', '--update-base', args, 0)
      for (const line of await updateBaseLock(io, signal)) print(io, line)
      return 0
    }
    const platforms = chosenPlatforms(options.platform)
    const stack = await openStack(io, options)
    const functions = chosenFunctions(stack, options, args)
    if (!options['skip-build'] && !await bundle(io, stack, functions, options.envsubst !== false)) return 1
    const access = createRegistryAccess(io, options)
    try {
      const made = await makeImages(io, {
        stack, functions, platforms, base: options.base, platformImage: options['platform-image'], openRegistry: access.open, signal,
      })
      if (options.archive === undefined) return 0
      const path = resolve(io.cwd, options.archive)
      await writeArchive(openImageLayout(io), made.map(({ reference }) => reference), path)
      tell(io, `${made.length} image${made.length === 1 ? '' : 's'} in ${showPath(path, io.cwd)}: ${sizeText((await stat(path)).size)}`)
      return 0
    } finally {
      access.close()
    }
  },
})

async function bundle(io: Io, stack: StackFile, functions: readonly StackFunction[], isSubstituted: boolean): Promise<boolean> {
  return build(io, { stackFile: stack.path, functions: functions.map(({ name }) => name), isSubstituted }, (event) => {
    // The stack file has been read here already, and its warnings told.
    if (event.event !== 'warning' || event.function) tellEvent(io, event)
  })
}

/** What images are built upon: an image from a registry, or the base that is made here from Debian's and npm's packages. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readBaseImage, type BaseImage } from '../image/base-image.ts'
import { basePackages, formatBaseLock, lockedNode, readBaseLock, type LockedDeb } from '../image/base-lock.ts'
import { makeBase } from '../image/base.ts'
import { createDebStore } from '../image/deb-store.ts'
import type { Layout } from '../image/layout.ts'
import { platformName, supportedPlatforms, type Platform } from '../image/oci.ts'
import { pullImage } from '../image/pull.ts'
import { parseReference } from '../image/reference.ts'
import type { Registry } from '../image/registry.ts'
import { cacheFolder } from './cache-folder.ts'
import type { Io } from './command.ts'
import { createMeter, type Meter } from './meter.ts'
import { projectRoot } from './project.ts'

export type BaseChoice = {
  readonly platforms: readonly Platform[]
  /** Where to put it. */
  readonly layout: Layout
  /** An image in a registry; without it the base is made here. */
  readonly base?: string | undefined
  /** The client for the registry of `base`. */
  readonly openRegistry: (name: string) => Promise<Registry>
  readonly signal?: AbortSignal | undefined
}

/** `sha256:` and as many digits as Docker shows. */
const SHOWN_DIGEST_LENGTH = 19
const BASE_LOCK = 'platform/image/base.lock.json'

/** One for each platform, in order. */
export async function openBases(io: Io, choice: BaseChoice): Promise<readonly BaseImage[]> {
  const meter = createMeter(io)
  try {
    return choice.base === undefined ? await ownBases(io, choice, meter) : await pulledBases(choice, choice.base, meter)
  } finally {
    meter.end()
  }
}

async function ownBases(io: Io, { platforms, layout, signal }: BaseChoice, meter: Meter): Promise<readonly BaseImage[]> {
  const folder = cacheFolder(io)
  const lock = await readBaseLock(join(projectRoot(), BASE_LOCK))
  const debs = createDebStore(folder, signal)
  const bases: BaseImage[] = []
  // One after the other: packing one holds some 300 MB.
  for (const platform of platforms) {
    bases.push(await makeBase({
      platform, lock, debs, layout, signal, cacheFolder: folder,
      node: await lockedNode(join(projectRoot(), 'package-lock.json'), platform),
      onProgress(done, total) {
        signal?.throwIfAborted()
        meter.show(`packing the base for ${platformName(platform)}, once`, done, total)
      },
    }))
  }
  return bases
}

async function pulledBases(
  { platforms, layout, openRegistry, signal }: BaseChoice, base: string, meter: Meter,
): Promise<readonly BaseImage[]> {
  const reference = parseReference(base)
  const image = await pullImage({
    registry: await openRegistry(reference.registry), reference, platforms, layout, signal,
    onProgress({ blob, receivedBytes, isPresent }) {
      if (!isPresent) meter.show(`base ${base}: fetching ${blob.digest.slice(0, SHOWN_DIGEST_LENGTH)}`, receivedBytes, blob.size)
    },
  })
  return Promise.all(platforms.map((platform) => readBaseImage(layout, platform, image, base)))
}

/** Locks the newest Debian packages that this machine's sources have. Answers the lines that say so. */
export async function updateBaseLock(io: Io, signal?: AbortSignal): Promise<readonly string[]> {
  const path = join(projectRoot(), BASE_LOCK)
  const store = createDebStore(cacheFolder(io), signal)
  const debs = new Map<string, readonly LockedDeb[]>()
  for (const platform of supportedPlatforms) debs.set(platformName(platform), await store.newest(basePackages, platform))
  const text = formatBaseLock({ release: await readRelease(), debs })
  await writeFile(path, text)
  return [...debs].map(([platform, list]) => `${platform}: ${list.map(({ name, version }) => `${name} ${version}`).join(', ')}`)
}

/** The Debian of this machine, whose sources the packages come from. */
async function readRelease(): Promise<{ readonly id: string; readonly version: string }> {
  const text = await readFile('/etc/os-release', 'utf8')
  const read = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? 'unknown'
  return { id: read('ID'), version: read('VERSION_ID') }
}

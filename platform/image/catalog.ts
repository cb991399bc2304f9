/** What a registry holds: repositories, tags, and for each image its size and what it is made of. */
import { BrambleError } from '../lib/errors.ts'
import { digestOf, isIndexType, isManifestType, mediaTypes, platformName, type Descriptor, type Digest } from './oci.ts'
import { parseDigest, parseImageConfig, parseIndex, parseManifest } from './parse-oci.ts'
import { DEFAULT_REGISTRY } from './reference.ts'
import type { Registry } from './registry.ts'

export type StoredImage = {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly platforms: readonly string[]
  /** Its manifests below the index; of a single image its own digest alone. */
  readonly manifests: readonly Digest[]
  /** Layers and configurations with their sizes; images share them. */
  readonly blobs: ReadonlyMap<Digest, number>
  /** Whether it was made from Bramble's template, by `bramble` or with its Dockerfile. */
  readonly isFunction: boolean
}

/** The template's Dockerfile and `function-image.ts` put a function here; nothing else does. */
const FUNCTION_FOLDER = '/home/function'
/** The specification's page; registries may give less. */
const PAGE_LENGTH = 100
/** A registry that never ends its list is broken. */
const MAX_PAGES = 1_000

/** All repositories. `UNSUPPORTED` where the registry does not list them, as Docker Hub. */
export async function listRepositories(registry: Registry, signal?: AbortSignal): Promise<readonly string[]> {
  const closed = (cause?: unknown) => new BrambleError('UNSUPPORTED',
    `registry ${registry.name} does not list its repositories: name them, as in "bramble images ${registry.name}/team/hello"`, { cause })
  // It has thousands of strangers' repositories, and answers as to a wrong password.
  if (registry.name === DEFAULT_REGISTRY) throw closed()
  try {
    return await list(registry, { target: `_catalog?n=${PAGE_LENGTH}`, field: 'repositories', purpose: 'list its repositories', actions: '*', signal })
  } catch (error) {
    throw error instanceof BrambleError && ['NOT_FOUND', 'UNSUPPORTED', 'FORBIDDEN'].includes(error.code) ? closed(error) : error
  }
}

/** Sorted; none for a repository that is not there, or was emptied. */
export async function listTags(registry: Registry, repository: string, signal?: AbortSignal): Promise<readonly string[]> {
  const tags = await list(registry, {
    repository, target: `tags/list?n=${PAGE_LENGTH}`, field: 'tags', purpose: `list the tags of ${repository}`, actions: 'pull', signal,
  }).catch((error: unknown) => {
    if (error instanceof BrambleError && error.code === 'NOT_FOUND') return []
    throw error
  })
  return tags.toSorted()
}

/** `undefined` when the tag is gone meanwhile, or is no image. */
export async function readStoredImage(registry: Registry, repository: string, tag: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
  const root = await readManifest(registry, repository, tag, signal)
  if (!root) return undefined
  const what = `${registry.name}/${repository}:${tag}`
  const parts = isIndexType(root.mediaType) ? parseIndex(root.json, what, root.mediaType).manifests : undefined
  const blobs = new Map<Digest, number>()
  const platforms: string[] = []
  let isFunction = false
  for (const part of parts ?? [undefined]) {
    const found = part ? await readManifest(registry, repository, part.digest, signal) : root
    if (!found || !isManifestType(found.mediaType)) continue
    const { config, layers } = parseManifest(found.json, what, found.mediaType)
    for (const { digest, size } of [config, ...layers]) blobs.set(digest, size)
    const about = await readConfig(registry, repository, config, what, signal)
    if (!about || part?.platform?.os === 'unknown') continue
    platforms.push(about.platform)
    isFunction ||= about.isFunction
  }
  return { repository, tag, digest: root.digest, platforms, blobs, isFunction, manifests: parts?.map(({ digest }) => digest) ?? [root.digest] }
}

/** Removes an image with all its tags. `UNSUPPORTED` says how to allow it. */
export async function deleteManifest(registry: Registry, repository: string, digest: Digest, signal?: AbortSignal): Promise<void> {
  const purpose = `remove ${digest} from ${repository}`
  try {
    await registry.call({ method: 'DELETE', repository, actions: 'delete', target: `manifests/${digest}`, accepts: [404], purpose, signal })
  } catch (error) {
    if (!(error instanceof BrambleError) || error.code !== 'UNSUPPORTED') throw error
    throw new BrambleError('UNSUPPORTED', `registry ${registry.name} is set not to delete anything: allow it there ` +
      '("storage: {delete: {enabled: true}}" or REGISTRY_STORAGE_DELETE_ENABLED=true for docker-registry), and run this again', { cause: error })
  }
}

type Listing = {
  readonly repository?: string
  readonly target: string
  readonly field: 'repositories' | 'tags'
  readonly purpose: string
  readonly actions: string
  readonly signal?: AbortSignal | undefined
}

async function list(registry: Registry, { field, target, ...call }: Listing): Promise<readonly string[]> {
  const all = new Set<string>()
  let next: string | URL | undefined = target
  for (let pages = 0; next !== undefined && pages < MAX_PAGES; pages++) {
    const reply = await registry.call({ ...call, method: 'GET', target: next })
    const json = parseJson(reply.body, call.purpose)
    const items: unknown = typeof json === 'object' && json !== null && field in json ? Object.entries(json).find(([key]) => key === field)?.[1] : undefined
    for (const item of Array.isArray(items) ? items : []) if (typeof item === 'string') all.add(item)
    const link = /^\s*<([^>]+)>\s*;\s*rel="?next"?/i.exec(String(reply.headers['link'] ?? ''))?.[1]
    next = await registry.locate(link)
  }
  return [...all]
}

type ReadManifest = { readonly digest: Digest; readonly mediaType: string; readonly json: unknown }

async function readManifest(registry: Registry, repository: string, name: string, signal: AbortSignal | undefined): Promise<ReadManifest | undefined> {
  const purpose = `read ${repository}:${name}`
  const { status, headers, body } = await registry.call({
    method: 'GET', repository, actions: 'pull', target: `manifests/${name}`, purpose, accepts: [404], signal,
    headers: { accept: [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(', ') },
  })
  if (status === 404) return undefined
  const mediaType = String(headers['content-type'] ?? '').replace(/;.*$/, '').trim()
  // Signatures and other things that are kept beside images.
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined
  // Old registries convert what they answer: the name to delete it by is theirs.
  const said = headers['docker-content-digest']
  return { digest: typeof said === 'string' ? parseDigest(said, `${repository}:${name}`) : digestOf(body), mediaType, json: parseJson(body, purpose) }
}

async function readConfig(
  registry: Registry, repository: string, config: Descriptor, what: string, signal: AbortSignal | undefined,
): Promise<{ readonly platform: string; readonly isFunction: boolean } | undefined> {
  if (config.mediaType !== mediaTypes.config && config.mediaType !== mediaTypes.dockerConfig) return undefined
  const { status, body } = await registry.call({
    method: 'GET', repository, actions: 'pull', target: `blobs/${config.digest}`, purpose: `read the configuration of ${what}`, accepts: [404], signal,
  })
  if (status === 404) return undefined
  const read = parseImageConfig(parseJson(body, what), `the configuration of ${what}`)
  return { platform: platformName(read), isFunction: read.config.WorkingDir === FUNCTION_FOLDER }
}

function parseJson(body: Buffer, purpose: string): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (cause) {
    throw new BrambleError('UPSTREAM', `the answer is no JSON, trying to ${purpose}: is this a registry?`, { cause })
  }
}

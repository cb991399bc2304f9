/** The border: JSON out of a registry or a folder becomes types here, and is trusted afterwards. */
import { BrambleError } from '../lib/errors.ts'
import {
  isIndexType, isManifestType, type ContainerConfig, type Descriptor, type Digest, type HistoryEntry, type ImageConfig,
  type Index, type Manifest, type Platform,
} from './oci.ts'

/** Far above any real image (Docker's limit is 127), far below what fills a memory. */
const MAX_ENTRIES = 1_000

/** `INVALID` for what is no sha256 digest; `what` opens the message. */
export function parseDigest(value: unknown, what: string): Digest {
  if (isDigest(value)) return value
  throw new BrambleError('INVALID', `${what} has the digest ${JSON.stringify(value)}: only sha256:… with 64 hex digits is understood`)
}

export function parseDescriptor(value: unknown, what: string): Descriptor {
  const json = fieldsOf(value, what)
  const size = json.get('size')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new BrambleError('INVALID', `${what} has the size ${JSON.stringify(size)}: it must be a number of bytes`)
  }
  const platform = json.get('platform')
  const annotations = textMap(json.get('annotations'), what)
  return {
    mediaType: text(json, 'mediaType', what),
    digest: parseDigest(json.get('digest'), what),
    size,
    ...(platform === undefined || platform === null ? {} : { platform: parsePlatform(platform, what) }),
    ...(annotations ? { annotations } : {}),
  }
}

/** A manifest for one platform, `mediaType` from the descriptor or the response where it does not say it itself. */
export function parseManifest(value: unknown, what: string, mediaType: string): Manifest {
  const json = fieldsOf(value, what)
  const type = typeOf(json, mediaType)
  if (!isManifestType(type)) throw new BrambleError('INVALID', `${what} is a ${type}: an image manifest was expected`)
  const annotations = textMap(json.get('annotations'), what)
  return {
    schemaVersion: 2,
    mediaType: type,
    config: parseDescriptor(json.get('config'), `the configuration of ${what}`),
    layers: list(json.get('layers'), what).map((layer, index) => parseDescriptor(layer, `layer ${index + 1} of ${what}`)),
    ...(annotations ? { annotations } : {}),
  }
}

/** An index of manifests, or Docker's manifest list. */
export function parseIndex(value: unknown, what: string, mediaType: string): Index {
  const json = fieldsOf(value, what)
  const type = typeOf(json, mediaType)
  if (!isIndexType(type)) throw new BrambleError('INVALID', `${what} is a ${type}: an image index was expected`)
  const annotations = textMap(json.get('annotations'), what)
  return {
    schemaVersion: 2,
    mediaType: type,
    manifests: list(json.get('manifests'), what).map((one, index) => parseDescriptor(one, `manifest ${index + 1} of ${what}`)),
    ...(annotations ? { annotations } : {}),
  }
}

export function parseImageConfig(value: unknown, what: string): ImageConfig {
  const json = fieldsOf(value, what)
  const rootfs = fieldsOf(json.get('rootfs'), what)
  const created = optionalText(json, 'created')
  return {
    ...parsePlatform(value, what),
    ...(created === undefined ? {} : { created }),
    config: parseContainerConfig(json.get('config') ?? {}, what),
    rootfs: {
      type: 'layers',
      diff_ids: list(rootfs.get('diff_ids'), what).map((digest) => parseDigest(digest, `a layer of ${what}`)),
    },
    history: list(json.get('history') ?? [], what).map((entry) => parseHistory(entry, what)),
  }
}

function parseContainerConfig(value: unknown, what: string): ContainerConfig {
  const json = fieldsOf(value, what)
  const user = optionalText(json, 'User')
  const folder = optionalText(json, 'WorkingDir')
  const signal = optionalText(json, 'StopSignal')
  const labels = textMap(json.get('Labels'), what)
  const ports = json.get('ExposedPorts')
  const texts = (name: 'Env' | 'Entrypoint' | 'Cmd') => {
    const items = json.get(name)
    if (items === undefined || items === null) return {}
    return { [name]: list(items, what).map((item) => {
      if (typeof item === 'string') return item
      throw new BrambleError('INVALID', `${what}: ${name} must be a list of texts`)
    }) }
  }
  return {
    ...(user ? { User: user } : {}),
    ...(ports === undefined || ports === null ? {} : {
      ExposedPorts: Object.fromEntries([...fieldsOf(ports, what).keys()].map((port) => [port, {}])),
    }),
    ...texts('Env'),
    ...texts('Entrypoint'),
    ...texts('Cmd'),
    ...(folder ? { WorkingDir: folder } : {}),
    ...(labels ? { Labels: labels } : {}),
    ...(signal ? { StopSignal: signal } : {}),
  }
}

function parseHistory(value: unknown, what: string): HistoryEntry {
  const json = fieldsOf(value, what)
  const texts = (['created', 'created_by', 'comment'] as const).flatMap((name) => {
    const found = optionalText(json, name)
    return found === undefined ? [] : [[name, found]]
  })
  return { ...Object.fromEntries(texts), ...(json.get('empty_layer') === true ? { empty_layer: true } : {}) }
}

function parsePlatform(value: unknown, what: string): Platform {
  const json = fieldsOf(value, what)
  const variant = optionalText(json, 'variant')
  return {
    architecture: text(json, 'architecture', what),
    os: text(json, 'os', what),
    ...(variant ? { variant } : {}),
  }
}

type Fields = ReadonlyMap<string, unknown>

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value))
  throw new BrambleError('INVALID', `${what} cannot be read: a JSON object is missing`)
}

function typeOf(json: Fields, fallback: string): string {
  const type = json.get('mediaType')
  return typeof type === 'string' && type !== '' ? type : fallback
}

function text(json: Fields, name: string, what: string): string {
  const value = json.get(name)
  if (typeof value === 'string' && value !== '') return value
  throw new BrambleError('INVALID', `${what} cannot be read: ${name} is missing`)
}

function optionalText(json: Fields, name: string): string | undefined {
  const value = json.get(name)
  return typeof value === 'string' ? value : undefined
}

function textMap(value: unknown, what: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined
  return Object.fromEntries([...fieldsOf(value, what)].map(([key, item]) => [key, String(item)]))
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new BrambleError('INVALID', `${what} cannot be read: a list is missing`)
  if (value.length > MAX_ENTRIES) throw new BrambleError('TOO_LARGE', `${what} has a list of ${value.length} entries, more than ${MAX_ENTRIES}`)
  return value
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value)
}

/** The headers of tus 1.0 that are more than a number. */
import { Problem } from '@bramble/runtime/service/problem'
import { MAX_METADATA } from '../catalog/files.ts'
import { checkPath } from '../content/path.ts'
import { MAX_METADATA_LENGTH, MAX_TAG_LENGTH, MAX_TAGS } from '../http/shapes.ts'

export const CHECKSUM_ALGORITHMS = ['sha1', 'sha256', 'sha512', 'md5'] as const

export type Checksum = { readonly algorithm: (typeof CHECKSUM_ALGORITHMS)[number]; readonly value: Buffer }

/** What `Upload-Metadata` says about the file to be. */
export type Described = {
  readonly path: string | undefined
  readonly declaredType: string | undefined
  readonly tags: readonly string[] | undefined
  readonly metadata: Readonly<Record<string, string>> | undefined
}

export type Concat = { readonly kind: '' | 'partial' } | { readonly kind: 'final'; readonly ids: readonly string[] }

const MAX_PARTS = 100
/** Names that clients use for the same things. */
const names = { path: ['path'], name: ['filename', 'name'], folder: ['folder'], type: ['filetype', 'type'], tags: ['tags'], none: ['relativePath'] } as const
const meant = new Set<string>(Object.values(names).flat())

/** `key base64,key base64`. Throws 422 when it says what cannot be. */
export function describedBy(header: string): Described {
  const pairs = parseMetadata(header)
  const first = (keys: readonly string[]): string | undefined => keys.map((key) => pairs.get(key)).find((value) => value !== undefined && value !== '')
  const name = first(names.name)
  const folder = first(names.folder)
  const path = first(names.path) ?? (name === undefined ? undefined : folder === undefined ? name : `${folder}/${name}`)
  const tags = first(names.tags)?.split(',').map((tag) => tag.trim()).filter((tag) => tag !== '')
  if (tags !== undefined && (tags.length > MAX_TAGS || tags.some((tag) => tag.length > MAX_TAG_LENGTH))) throw bad('/upload-metadata', `may have ${MAX_TAGS} tags of ${MAX_TAG_LENGTH} characters`)
  const others = [...pairs].filter(([key]) => !meant.has(key))
  if (others.length > MAX_METADATA || others.some(([, value]) => value.length > MAX_METADATA_LENGTH)) {
    throw bad('/upload-metadata', `may have ${MAX_METADATA} names, and values of ${MAX_METADATA_LENGTH} characters`)
  }
  return {
    path: path === undefined ? undefined : checkPath(path, '/upload-metadata'), declaredType: first(names.type), tags,
    metadata: others.length === 0 ? undefined : Object.fromEntries(others),
  }
}

function parseMetadata(header: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  if (header.trim() === '') return pairs
  for (const pair of header.split(',')) {
    const [, key, value = ''] = /^ *([\x21-\x2b\x2d-\x7e]{1,128})(?: ([A-Za-z0-9+/]*={0,2}))? *$/.exec(pair) ?? []
    if (key === undefined || pairs.has(key)) throw bad('/upload-metadata', 'must be pairs of a name and base64, with commas between, each name once')
    const text = Buffer.from(value, 'base64').toString()
    if (/[\0-\x08\x0e-\x1f\x7f]/.test(text) || text.includes('\ufffd')) throw bad('/upload-metadata', `must have text without control characters as ${key}`)
    pairs.set(key, text)
  }
  return pairs
}

/** `ALGORITHM BASE64`; an algorithm that is not known is 400, as the protocol has it. */
export function checksumIn(header: string | undefined): Checksum | undefined {
  if (header === undefined) return undefined
  const [, name, base64 = ''] = /^([a-z0-9-]+) ([A-Za-z0-9+/]+={0,2})$/.exec(header) ?? []
  const algorithm = CHECKSUM_ALGORITHMS.find((one) => one === name)
  if (algorithm === undefined) {
    const detail = `must be one of ${CHECKSUM_ALGORITHMS.join(', ')}, a space, and the hash in base64`
    throw new Problem(400, 'bad_checksum', `Upload-Checksum ${detail}`, { errors: [{ in: 'header', path: '/upload-checksum', detail }] })
  }
  return { algorithm, value: Buffer.from(base64, 'base64') }
}

/** `partial`, or `final;URL URL…`: of each URL the last segment counts. */
export function concatIn(header: string | undefined): Concat {
  if (header === undefined) return { kind: '' }
  if (header === 'partial') return { kind: 'partial' }
  const [, list] = /^final;(.*)$/.exec(header) ?? []
  const ids = (list ?? '').split(' ').filter((url) => url !== '').map((url) => /\/?([A-Za-z0-9_-]{1,64})(?:\?[^ ]*)?$/.exec(url)?.[1])
  if (list === undefined || ids.length === 0 || ids.length > MAX_PARTS || !ids.every((id) => id !== undefined)) {
    throw bad('/upload-concat', `must be partial, or final; and 1 to ${MAX_PARTS} addresses of uploads`)
  }
  return { kind: 'final', ids }
}

function bad(path: string, detail: string): Problem {
  return new Problem(422, 'bad_header', `${path.slice(1)} ${detail}`, { errors: [{ in: 'header', path, detail }] })
}

/** What callers send and get, as schemas: they check the input and describe both in `/openapi.json`. */
import * as z from 'zod'
import { MAX_PATH_LENGTH } from '../content/path.ts'

export const MAX_TAGS = 32
export const MAX_TAG_LENGTH = 128
export const MAX_METADATA_LENGTH = 1024
const MAX_PAGE = 200
const DEFAULT_PAGE = 50
const MAX_HEADER_LENGTH = 1000

const Path = z.string().min(1).max(MAX_PATH_LENGTH).describe('Folders with slashes between; `%2F` is a slash too')
export const Owner = z.string().regex(/^[A-Za-z0-9._:@-]{1,128}$/, 'must be 1 to 128 of A-Z, a-z, 0-9, ".", "_", ":", "@" and "-"')
const owner = Owner.optional().describe('Whose files; must be there with the service token, and is the person with an access token')
const Tag = z.string().min(1).max(MAX_TAG_LENGTH)
const Tags = z.array(Tag).max(MAX_TAGS)
const Version = z.int().min(1)
const Id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"')
const flag = z.boolean().default(false)
/** It holds a path, or an id. */
const MAX_CURSOR_LENGTH = 3000
const MAX_ID_CURSOR_LENGTH = 200
const cursor = z.string().max(MAX_CURSOR_LENGTH).optional().describe('`next_cursor` of the page before')
const limit = z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE)
const etag = z.string().max(MAX_HEADER_LENGTH).optional()

export const inPath = z.strictObject({ path: Path })
export const idInPath = z.strictObject({ id: Id })
export const versionInPath = z.strictObject({ id: Id, version: Version })
export const ownerInPath = z.strictObject({ owner: Owner })
export const ownerQuery = z.strictObject({ owner })
export const readQuery = z.strictObject({
  owner,
  version: Version.optional().describe('Of its versions; the current one, if nothing is said'),
  thumbnail: flag.describe('The thumbnail of the image instead'),
  download: flag.describe('To be kept, not shown'),
})
export const writeQuery = z.strictObject({ owner, tag: Tags.optional().describe('May be there several times; what the file has otherwise stays') })
export const formQuery = z.strictObject({ owner, folder: z.string().max(MAX_PATH_LENGTH).default(''), tag: Tags.optional() })
export const listQuery = z.strictObject({
  owner, limit, cursor,
  folder: z.string().max(MAX_PATH_LENGTH).default('').describe('Empty: the one above all'),
  recursive: flag.describe('All that is below it, too'),
  tag: Tag.optional().describe('Only files that have it'),
})
export const emptyQuery = z.strictObject({ owner, folder: z.string().max(MAX_PATH_LENGTH).default('').describe('Only what was below it; empty: all') })
export const pageQuery = z.strictObject({ owner, limit, cursor: cursor.unwrap().max(MAX_ID_CURSOR_LENGTH).optional() })

export const ifMatch = z.object({ 'if-match': etag.describe('Only if it still has one of these ETags, else 412') })
export const writeHeaders = ifMatch.extend({
  'if-none-match': etag.describe('`*`: only if it is not there, else 412'),
  'content-digest': z.string().max(MAX_HEADER_LENGTH).optional().describe('RFC 9530: `sha-256=:BASE64:`, compared with what comes; 422 `digest_mismatch`'),
})

export const Patch = z.strictObject({
  path: Path.optional().describe('Moves it there'),
  metadata: z.record(z.string().min(1).max(MAX_TAG_LENGTH), z.string().max(MAX_METADATA_LENGTH).nullable()).optional().describe('Names that are not here stay; null takes one away'),
  tags: Tags.optional().describe('In the place of those it has'),
})
export const VersionNumber = z.strictObject({ version: Version })
export const Restoration = z.strictObject({ path: Path.optional().describe('Where it was, if nothing is said') })
export const Quota = z.strictObject({ bytes: z.int().min(0).nullable().describe('null: what `quota` says') })

const Time = z.string().describe('ISO 8601')
export const File = z.object({
  id: z.string(), owner: z.string(), path: z.string(), name: z.string(), size: z.int(), content_type: z.string(), hash: z.string().describe('SHA-256, hexadecimal'),
  version: z.int(), created_at: Time, updated_at: Time, metadata: z.record(z.string(), z.string()), tags: z.array(z.string()),
  thumbnail: z.boolean().describe('Whether there is one'), deleted_at: Time.optional().describe('In the trash since'),
})
const next_cursor = z.string().optional().describe('None on the last page')
export const FileList = z.object({ items: z.array(File), folders: z.array(z.string()).optional().describe('On the first page, not with `recursive`'), next_cursor })
export const FilePage = z.object({ items: z.array(File), next_cursor })
export const FileItems = z.object({ items: z.array(File) })
export const Versions = z.object({
  items: z.array(z.object({ version: z.int(), size: z.int(), content_type: z.string(), hash: z.string(), created_at: Time, current: z.boolean() })),
})
export const UsageNow = z.object({
  used_bytes: z.int().describe('With old versions and the trash'), reserved_bytes: z.int().describe('Announced as resumable uploads'), quota_bytes: z.int(),
  files: z.int(), trashed: z.int(),
})

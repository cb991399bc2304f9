/** What callers send and get, as schemas: they check the input and describe both in `/openapi.json`. */
import * as z from 'zod'

const MAX_KEY_LENGTH = 512
const MAX_GROUP_LENGTH = 128
const MAX_TAGS = 16
const MAX_TAG_LENGTH = 128
/** Keys in one call. */
const MAX_KEYS = 500
const MAX_CONTENT_TYPE_LENGTH = 256
/** Ten years: whoever means longer means for ever. */
const MAX_TTL_MS = 10 * 365 * 86_400_000
/** Who is filling an entry for longer than this is not coming back. */
const MAX_LEASE_MS = 300_000
/** Below the gateway's and the runtime's own limits for a call. */
const MAX_WAIT_MS = 25_000

const Namespace = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, ".", "_" and "-", and begin with a letter or digit')
const Group = z.string().min(1).max(MAX_GROUP_LENGTH)
const Key = z.string().min(1).max(MAX_KEY_LENGTH)
const Tag = z.string().min(1).max(MAX_TAG_LENGTH)
const Tags = z.array(Tag).max(MAX_TAGS)
const ttl_ms = z.int().min(1).max(MAX_TTL_MS).optional().describe('How long it is fresh; as `default_ttl` says, if nothing is said')
const stale_ms = z.int().min(0).max(MAX_TTL_MS).optional().describe('How long after that it may be shown as stale; 0, if nothing is said')

export const inNamespace = z.strictObject({ namespace: Namespace, key: Key })
export const inGroup = z.strictObject({ namespace: Namespace, group: Group, key: Key })
export const groupInPath = z.strictObject({ namespace: Namespace, group: Group })

export const readQuery = z.strictObject({
  lease_ms: z.int().min(1).max(MAX_LEASE_MS).optional().describe('Asks for the right to fill it, for so long, when it is stale or missing'),
  wait_ms: z.int().min(0).max(MAX_WAIT_MS).default(0).describe('With `lease_ms`: how long to wait while another one fills it'),
})
export const times = { ttl_ms, stale_ms }
export const writeQuery = z.strictObject({ ...times, tag: z.array(Tag).max(0, 'only entries of a group have tags: write it under /groups/GROUP/').optional() })
export const writeInGroupQuery = z.strictObject({ ...times, tag: Tags.optional().describe('May be there several times') })

const etag = z.string().max(1000).optional()
export const readHeaders = z.object({ 'if-none-match': etag.describe('304, if it has one of these') })
/** RFC 9110, section 8.3.1: it is sent with the value, so it must be one. */
export const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:[ \t]*;[ \t]*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[ !#-\[\]-~]*"))*$/
export const writeHeaders = z.object({
  'content-type': z.string().max(MAX_CONTENT_TYPE_LENGTH).optional().describe('Kept, and sent with the value'),
  'if-match': etag.describe('Only if it still has one of these, else 412'),
  'if-none-match': z.literal('*').optional().describe('Only if it is not there, else 412'),
  'cache-lease': z.string().max(100).optional().describe('Only while this lease is the current one, else 409 `lease_lost`'),
})
export const removeHeaders = z.object({ 'if-match': etag.describe('Only if it still has one of these, else 412') })
export const idempotencyKey = z.object({
  'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A call sent again with its key within ten minutes is counted once, and answered as the first time'),
})

const text = z.string()
const base64 = z.base64()
const ONE = { error: 'must have either "text" or "base64"' }
const contentType = z.string().min(1).max(MAX_CONTENT_TYPE_LENGTH).regex(mediaType, 'must be a media type like text/plain; charset=utf-8').optional()

export const Content = z.union([z.strictObject({ text }), z.strictObject({ base64 })], ONE)
export const Increment = z.strictObject({
  by: z.int().default(1).describe('May be below 0'),
  initial: z.int().default(0).describe('What is added to when there is none'),
  ...times,
}).describe('Times are those of a new one; one that is there keeps its own')
export const Comparison = z.strictObject({
  expected: Content.nullable().describe('null: that there is none'),
  value: Content.nullable().describe('null: removes it'),
  content_type: contentType,
  ...times,
})
export const Keys = z.strictObject({ keys: z.array(Key).min(1).max(MAX_KEYS) })
const besideContent = { key: Key, content_type: contentType, ...times, tags: Tags.optional() }
export const Entries = z.strictObject({
  entries: z.array(z.union([z.strictObject({ text, ...besideContent }), z.strictObject({ base64, ...besideContent })], ONE)).min(1).max(MAX_KEYS),
})
export const Invalidation = z.strictObject({ tags: Tags.min(1) })

export const Counted = z.object({ value: z.int(), etag: z.string(), ttl_ms: z.int().optional() })
export const Compared = z.object({ etag: z.string().optional().describe('None, when it was removed') })
export const Found = z.object({
  items: z.array(z.object({
    key: z.string(),
    found: z.boolean(),
    text: z.string().optional().describe('Where the bytes are UTF-8'),
    base64: z.string().optional().describe('Where they are not'),
    content_type: z.string().optional(),
    etag: z.string().optional(),
    ttl_ms: z.int().optional().describe('Below 0: stale. None: no end'),
  })).describe('In the order they were asked for'),
})
export const Written = z.object({ items: z.array(z.object({ key: z.string(), etag: z.string() })) })
export const Removed = z.object({ removed: z.int() })
export const Stats = z.object({
  replica: z.string().describe('These are the numbers of one replica'),
  uptime_seconds: z.number(),
  entries: z.int(), spaces: z.int(), bytes: z.int(), limit_bytes: z.int(),
  hits: z.int(), stale_hits: z.int(), misses: z.int(), writes: z.int(), removals: z.int(), evictions: z.int(), expirations: z.int(),
  leases: z.int().describe('Entries that somebody is filling now'), waiting: z.int().describe('Callers that wait for one'),
})

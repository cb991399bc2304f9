/** The headers of tus, and what GET says about an upload. */
import * as z from 'zod'

export const BYTES = 'application/offset+octet-stream'
/** Addresses of a hundred parts; all headers of a call have 16 KB. */
const MAX_CONCAT_LENGTH = 8000
const MAX_METADATA_LENGTH = 4000
const MAX_SHORT_LENGTH = 200

const version = { 'tus-resumable': z.string().max(20).optional().describe('`1.0.0`, or 412') }
const short = z.string().max(MAX_SHORT_LENGTH).optional()
const size = z.int().min(0)
const checksum = { 'upload-checksum': short.describe('`ALGORITHM BASE64` of these bytes; 460 when they are others') }

export const readHeaders = z.object(version)
export const createHeaders = z.object({
  ...version, ...checksum,
  'upload-length': size.optional(),
  'upload-defer-length': z.literal('1').optional().describe('The length comes with one of the PATCH calls'),
  'upload-metadata': z.string().max(MAX_METADATA_LENGTH).optional().describe('`NAME BASE64,NAME BASE64`'),
  'upload-concat': z.string().max(MAX_CONCAT_LENGTH).optional().describe('`partial`, or `final;ADDRESS ADDRESS`'),
  'content-type': short.describe(`\`${BYTES}\`, when the first bytes come with it`),
  'idempotency-key': z.string().regex(/^[\x21-\x7e]{1,128}$/).optional().describe('A call sent again with its key makes one upload'),
})
export const appendHeaders = z.object({ ...version, ...checksum, 'upload-offset': size, 'upload-length': size.optional() })
export const overrideHeaders = appendHeaders.extend({ 'x-http-method-override': z.literal('PATCH') })

export const UploadState = z.object({
  id: z.string(), received: z.int(), length: z.int().optional(), expires_at: z.string(), is_finished: z.boolean(),
  file_id: z.string().optional(), path: z.string().optional(),
})

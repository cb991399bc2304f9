/** A content as the answer to GET: conditions, then ranges (RFC 9110, sections 13 and 14), and headers under which it can do no harm. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Answer, AnswerHeaders } from '@bramble/runtime/service/answer'
import { checkIfMatch, etagOf, matchesNone } from '@bramble/runtime/service/etag'
import { Problem } from '@bramble/runtime/service/problem'
import { type ByteRange, rangesOf } from '../content/ranges.ts'
import { dispositionOf } from '../content/disposition.ts'
import type { Store } from '../storage/store.ts'

export type Shown = {
  readonly hash: string
  readonly sizeBytes: number
  readonly contentType: string
  readonly name: string
  readonly modifiedMs: number
  readonly isDownload: boolean
  /** It never changes under this address. */
  readonly isImmutable?: boolean
}

/** Asked anew each time, which costs a 304. */
const REVALIDATED = 'private, no-cache'
const IMMUTABLE = 'private, max-age=31536000, immutable'
const NOTHING_RUNS = "default-src 'none'; sandbox"

export async function contentAnswer(store: Store, request: IncomingMessage, shown: Shown): Promise<Answer> {
  const { 'if-none-match': ifNoneMatch, 'if-modified-since': ifModifiedSince, 'if-match': ifMatch } = request.headers
  const etag = etagOf(shown.hash)
  const headers: AnswerHeaders = {
    etag,
    'last-modified': new Date(shown.modifiedMs).toUTCString(),
    'cache-control': shown.isImmutable === true ? IMMUTABLE : REVALIDATED,
    'accept-ranges': 'bytes',
  }
  checkIfMatch(ifMatch, etag)
  const isKnown = ifNoneMatch !== undefined ? !matchesNone(ifNoneMatch, etag) : isUnmodified(ifModifiedSince, shown.modifiedMs)
  if (isKnown) return { status: 304, headers }

  const described: AnswerHeaders = {
    ...headers,
    'content-type': shown.contentType,
    'content-disposition': dispositionOf(shown.name, shown.contentType, shown.isDownload),
    'content-security-policy': NOTHING_RUNS,
  }
  const isHead = request.method === 'HEAD'
  const ranges = isHead || !isRangeMeant(request.headers['if-range'], etag) ? 'whole' : rangesOf(request.headers.range, shown.sizeBytes)
  if (ranges === 'unsatisfiable') {
    throw new Problem(416, 'range_not_satisfiable', `it has ${shown.sizeBytes} bytes`, { headers: { 'content-range': `bytes */${shown.sizeBytes}`, 'accept-ranges': 'bytes' } })
  }
  const { hash, sizeBytes } = shown
  if (await store.sizeOf(hash) !== sizeBytes) throw new Problem(503, 'content_missing', `the content ${hash} is not there, or not all of it: store the file again`)
  if (isHead || ranges === 'whole') {
    return { status: 200, headers: { ...described, 'content-length': sizeBytes }, body: isHead ? noBytes() : store.read(hash, 0, sizeBytes) }
  }
  const [only] = ranges
  if (ranges.length === 1 && only !== undefined) {
    return {
      status: 206, body: store.read(hash, only.first, only.last + 1),
      headers: { ...described, 'content-range': rangeText(only, shown.sizeBytes), 'content-length': only.last - only.first + 1 },
    }
  }
  return severalRanges(store, shown, ranges, described)
}

function severalRanges(store: Store, shown: Shown, ranges: readonly ByteRange[], described: AnswerHeaders): Answer {
  const boundary = randomBytes(18).toString('hex')
  const heads = ranges.map((range) => Buffer.from(`\r\n--${boundary}\r\ncontent-type: ${shown.contentType}\r\ncontent-range: ${rangeText(range, shown.sizeBytes)}\r\n\r\n`))
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const length = heads.reduce((sum, head, i) => sum + head.length + (ranges[i]?.last ?? 0) - (ranges[i]?.first ?? 0) + 1, end.length)
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (const [i, range] of ranges.entries()) {
      yield heads[i] ?? end
      yield* store.read(shown.hash, range.first, range.last + 1)
    }
    yield end
  }
  return { status: 206, headers: { ...described, 'content-type': `multipart/byteranges; boundary=${boundary}`, 'content-length': length }, body: body() }
}

/** A range of another version than the caller has begun with would be put to the wrong bytes. A date is too coarse to tell. */
function isRangeMeant(ifRange: string | string[] | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag
}

function isUnmodified(since: string | undefined, modifiedMs: number): boolean {
  const sinceMs = since === undefined ? NaN : Date.parse(since)
  return !Number.isNaN(sinceMs) && Math.floor(modifiedMs / 1000) * 1000 <= sinceMs
}

function rangeText({ first, last }: ByteRange, sizeBytes: number): string {
  return `bytes ${first}-${last}/${sizeBytes}`
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

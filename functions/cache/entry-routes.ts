/** One entry: read, written, removed, counted up, compared and set. The same under a namespace and under a group of it. */
import { type Answer, json, nothing } from '@bramble/runtime/service/answer'
import { ANY_TYPE, readBytes } from '@bramble/runtime/service/body'
import { checkIfMatch, etagOf } from '@bramble/runtime/service/etag'
import { createIdempotency } from '@bramble/runtime/service/idempotency'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { bytesOf, BYTES_TYPE, TEXT_TYPE, timesOf, ttlOf, typeOf } from './contents.ts'
import { keepCall, keptCalls } from './kept-calls.ts'
import type { Leases } from './leases.ts'
import { createReader } from './read-entry.ts'
import type { Settings } from './settings.ts'
import {
  mediaType, Compared, Comparison, Counted, idempotencyKey, Increment, inGroup, inNamespace, readHeaders, readQuery, removeHeaders,
  writeHeaders, writeInGroupQuery, writeQuery,
} from './shapes.ts'
import { spaceOf } from './space.ts'
import type { Draft, Entry, Store } from './store.ts'

export type EntryDeps = {
  readonly store: Store
  readonly leases: Leases
  readonly settings: Settings
  readonly nowMs: () => number
}

/** JSON and base64 around a value, and what stands beside it. */
const JSON_SHARE = 2
const JSON_REST_BYTES = 4096
const etagHeader = { ETag: 'Of this content' }

export function entryRoutes(deps: EntryDeps): readonly Route<undefined>[] {
  return [...routesUnder('namespace', deps), ...routesUnder('group', deps)]
}

function routesUnder(owner: 'namespace' | 'group', { store, leases, settings, nowMs }: EntryDeps): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const read = createReader({ store, leases, nowMs })
  const once = createIdempotency()
  const isGroup = owner === 'group'
  const at = isGroup ? '/v1/:namespace/groups/:group/keys/:key' : '/v1/:namespace/keys/:key'
  const path = isGroup ? inGroup : inNamespace
  const named = (id: string): string => isGroup ? `${id}InGroup` : id
  const same = { tag: isGroup ? 'groups' : 'keys', access: 'token' } as const
  const jsonLimit = { bodyLimitBytes: settings.maxValueBytes * JSON_SHARE * 2 + JSON_REST_BYTES }

  const update = async (space: string, key: string, change: (present: Entry | undefined) => Draft | undefined): Promise<Entry | undefined> => {
    const entry = await store.update(space, key, change)
    leases.end(space, key)
    return entry
  }
  const checkSize = (value: Uint8Array): void => {
    if (value.length > settings.maxValueBytes) {
      throw new Problem(413, 'too_large', `the value has ${value.length} bytes, more than max_value_size (${settings.maxValueBytes})`)
    }
  }

  return [
    route({
      ...same, method: 'get', at, id: named('getEntry'), summary: 'A value as it was written, with its content type',
      description: 'With `lease_ms` a miss, or a stale value, may come with a `Cache-Lease`: this caller is to make the value and to PUT it with that header. '
        + 'All others get the stale value, or wait `wait_ms` for the new one.',
      path, query: readQuery, headers: readHeaders,
      answers: {
        200: { description: 'The value', type: ANY_TYPE, headers: { ...etagHeader, 'Cache-Status': 'RFC 9211; `ttl` below 0: it is stale', 'Cache-Lease': 'This caller is to fill it' } },
        304: { description: 'It is the one that `If-None-Match` names' },
      },
      handle: (call) => read({
        space: spaceOf(call.path), key: call.path.key, ifNoneMatch: call.headers['if-none-match'],
        leaseMs: call.query.lease_ms, waitMs: call.query.wait_ms, signal: () => call.signal,
      }),
    }),

    route({
      ...same, method: 'put', at, id: named('putEntry'), summary: 'Writes a value: any bytes, with their content type',
      path, query: isGroup ? writeInGroupQuery : writeQuery, headers: writeHeaders, upload: ANY_TYPE,
      answers: { 201: { description: 'It is new', headers: etagHeader }, 204: { description: 'It was there', headers: etagHeader } },
      async handle({ path: inPath, query, headers, request }) {
        const space = spaceOf(inPath)
        const { key } = inPath
        checkMediaType(headers['content-type'])
        const value = await readBytes(request, settings.maxValueBytes)
        const draft: Draft = {
          value, contentType: headers['content-type'] || BYTES_TYPE, ...timesOf(query, settings.defaultTtlMs),
          tags: query.tag ?? [],
        }
        const lease = headers['cache-lease']
        let isNew = false
        const entry = await update(space, key, (present) => {
          if (lease !== undefined && !leases.isCurrent(space, key, lease)) throw leaseLost()
          if (headers['if-none-match'] !== undefined && present !== undefined) throw isThere(present)
          checkIfMatch(headers['if-match'], present && etagOf(present.version))
          isNew = present === undefined
          return draft
        })
        return { status: isNew ? 201 : 204, headers: etagHeaderOf(entry) }
      },
    }),

    route({
      ...same, method: 'delete', at, id: named('removeEntry'), summary: 'Removes an entry; it need not be there',
      path, headers: removeHeaders,
      answers: { 204: { description: 'It is not there' } },
      async handle({ path: inPath, headers }) {
        await update(spaceOf(inPath), inPath.key, (present) => {
          checkIfMatch(headers['if-match'], present && etagOf(present.version))
          return undefined
        })
        return nothing()
      },
    }),

    route({
      ...same, method: 'post', at: `${at}/increment`, id: named('increment'), summary: 'Adds to a whole number, as one step',
      path, body: Increment, headers: idempotencyKey,
      answers: { 200: { description: 'What it is now', schema: Counted, headers: etagHeader } },
      handle({ path: inPath, body, headers }) {
        const space = spaceOf(inPath)
        const { key } = inPath
        const run = async (kept: { readonly key: string; readonly fingerprint: string } | undefined): Promise<Answer> => {
          let value = 0
          const entry = await update(space, key, (present) => {
            value = (present === undefined ? body.initial : numberIn(present)) + body.by
            if (!Number.isSafeInteger(value)) throw new Problem(409, 'out_of_range', `${value} is beyond the whole numbers that are exact (2^53)`)
            return { value: Buffer.from(String(value)), contentType: TEXT_TYPE, ...(present === undefined ? timesOf(body, settings.defaultTtlMs) : timesLeft(present)), tags: present?.tags ?? [] }
          })
          const ttl_ms = entry && ttlOf(entry)
          const answer = json({ value, etag: etagHeaderOf(entry).etag, ...(ttl_ms !== undefined && { ttl_ms }) }, 200, etagHeaderOf(entry))
          if (kept !== undefined) await keepCall(store, space, kept, answer)
          return answer
        }
        return once({ key: headers['idempotency-key'], scope: space, request: [key, body], store: keptCalls(store, space), run })
      },
    }),

    route({
      ...same, method: 'post', at: `${at}/compare-and-set`, id: named('compareAndSet'), summary: 'Writes or removes it only if it has the content that is expected',
      description: '409 `not_as_expected` otherwise. A stale value counts as there. `If-Match` with PUT compares versions instead.',
      path, body: Comparison, ...jsonLimit,
      answers: { 200: { description: 'Done', schema: Compared, headers: etagHeader } },
      async handle({ path: inPath, body: { expected, value, content_type, ...times } }) {
        const wanted = expected && bytesOf(expected)
        const bytes = value && bytesOf(value)
        if (bytes) checkSize(bytes)
        const entry = await update(spaceOf(inPath), inPath.key, (present) => {
          const isAsExpected = wanted === null ? present === undefined : present !== undefined && wanted.equals(present.value)
          if (!isAsExpected) throw notAsExpected(present)
          if (value === null || bytes === null) return undefined
          return { value: bytes, contentType: content_type ?? present?.contentType ?? typeOf(value), ...timesOf(times, settings.defaultTtlMs), tags: present?.tags ?? [] }
        })
        return entry === undefined ? json({}) : json(etagHeaderOf(entry), 200, etagHeaderOf(entry))
      },
    }),
  ]
}

function etagHeaderOf(entry: Entry | undefined): { readonly etag: string } {
  return { etag: entry === undefined ? '' : etagOf(entry.version) }
}

function numberIn({ value }: Entry): number {
  const text = Buffer.from(value).toString('latin1')
  const number = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw new Problem(409, 'not_a_number', 'what is there is not a whole number in decimal digits')
  return number
}

/** What it has left; a stale one stays stale. */
function timesLeft({ freshForMs, staleMs }: Entry): Pick<Draft, 'freshMs' | 'staleMs'> {
  return { freshMs: freshForMs, staleMs }
}

function leaseLost(): Problem {
  return new Problem(409, 'lease_lost', 'this lease is over: it took too long, or the entry was written or removed meanwhile; the value was not stored')
}

function isThere({ version }: Entry): Problem {
  return new Problem(412, 'precondition_failed', 'If-None-Match: * wants that there is none, but there is one', { headers: { etag: etagOf(version) } })
}

function notAsExpected(present: Entry | undefined): Problem {
  return new Problem(409, 'not_as_expected', present === undefined ? 'there is no such entry' : 'it has another content: read it again and decide anew',
    present === undefined ? {} : { headers: { etag: etagOf(present.version) } })
}

/** It is sent with the value; the schema cannot refuse it, as descriptions know no header of this name. */
function checkMediaType(type: string | undefined): void {
  if (type === undefined || type === '' || mediaType.test(type)) return
  const detail = 'must be a media type like text/plain; charset=utf-8'
  throw new Problem(422, 'invalid_input', `content-type ${detail}`, { errors: [{ in: 'header', path: '/content-type', detail }] })
}

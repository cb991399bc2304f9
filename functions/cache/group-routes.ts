/** Many entries of one group in one call, each call as one step: a group lives on one replica. */
import { json } from '@bramble/runtime/service/answer'
import { etagOf } from '@bramble/runtime/service/etag'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { bytesOf, jsonContent, timesOf, ttlOf, typeOf } from './contents.ts'
import type { EntryDeps } from './entry-routes.ts'
import { Entries, Found, groupInPath, Invalidation, Keys, Removed, Written } from './shapes.ts'
import { spaceOf } from './space.ts'
import type { Draft } from './store.ts'

/** Base64, and what stands beside the values. */
const JSON_SHARE = 2

export function groupRoutes({ store, leases, settings }: Omit<EntryDeps, 'nowMs'>): readonly Route<undefined>[] {
  const route = routeFor<undefined>()
  const at = '/v1/:namespace/groups/:group'
  const same = { tag: 'groups', access: 'token', path: groupInPath } as const
  const bodyLimitBytes = settings.maxBatchBytes * JSON_SHARE
  const tooLarge = (what: string): Problem => new Problem(413, 'too_large', `${what} have more than max_batch_size (${settings.maxBatchBytes} bytes): ask in several calls`)

  return [
    route({
      ...same, method: 'post', at: `${at}/get`, id: 'getEntries', summary: 'Several entries at once',
      body: Keys, bodyLimitBytes,
      answers: { 200: { description: 'What is there, and what is not', schema: Found } },
      async handle({ path, body: { keys } }) {
        const space = spaceOf(path)
        let sizeBytes = 0
        const items = await Promise.all(keys.map(async (key) => {
          const entry = await store.get(space, key)
          if (entry === undefined) return { key, found: false }
          sizeBytes += entry.value.length
          if (sizeBytes > settings.maxBatchBytes) throw tooLarge('these entries')
          const ttl_ms = ttlOf(entry)
          return { key, found: true, ...jsonContent(entry.value), content_type: entry.contentType, etag: etagOf(entry.version), ...(ttl_ms !== undefined && { ttl_ms }) }
        }))
        return json({ items })
      },
    }),

    route({
      ...same, method: 'post', at: `${at}/set`, id: 'setEntries', summary: 'Writes several entries, all or none',
      body: Entries, bodyLimitBytes,
      answers: { 200: { description: 'They are there', schema: Written } },
      async handle({ path, body: { entries } }) {
        const space = spaceOf(path)
        let sizeBytes = 0
        const drafts = entries.map(({ key, content_type, tags = [], ...rest }, i): [string, Draft] => {
          const value = bytesOf(rest)
          sizeBytes += value.length
          if (value.length > settings.maxValueBytes) {
            const detail = `has ${value.length} bytes, more than max_value_size (${settings.maxValueBytes})`
            throw new Problem(413, 'too_large', `the value of entry ${i} ${detail}`, { errors: [{ in: 'body', path: `/entries/${i}`, detail }] })
          }
          return [key, { value, contentType: content_type ?? typeOf(rest), ...timesOf(rest, settings.defaultTtlMs), tags }]
        })
        if (sizeBytes > settings.maxBatchBytes) throw tooLarge('these values')
        const versions = await store.putAll(space, drafts)
        for (const [key] of drafts) leases.end(space, key)
        return json({ items: drafts.map(([key], i) => ({ key, etag: etagOf(versions[i] ?? '') })) })
      },
    }),

    route({
      ...same, method: 'post', at: `${at}/invalidate`, id: 'invalidateTags', summary: 'Removes every entry of the group that has one of the tags',
      description: 'Leases of the group end with it: what is being computed from old data is not stored.',
      body: Invalidation,
      answers: { 200: { description: 'They are gone', schema: Removed } },
      async handle({ path, body: { tags } }) {
        const removed = await store.removeTagged(spaceOf(path), tags)
        leases.endAll(spaceOf(path))
        return json({ removed })
      },
    }),

    route({
      ...same, method: 'delete', at, id: 'removeGroup', summary: 'Removes every entry of the group',
      answers: { 200: { description: 'They are gone', schema: Removed } },
      async handle({ path }) {
        const removed = await store.clear(spaceOf(path))
        leases.endAll(spaceOf(path))
        return json({ removed })
      },
    }),
  ]
}

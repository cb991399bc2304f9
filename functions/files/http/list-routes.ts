/** What somebody has: lists of folders, the trash, how much it is. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import { showFile } from '../catalog/rows.ts'
import { checkFolder, checkPath } from '../content/path.ts'
import { type Caller, ownerOf } from './access.ts'
import type { Deps } from './deps.ts'
import { emptyQuery, File, FileList, FilePage, idInPath, listQuery, ownerInPath, ownerQuery, pageQuery, Quota, Restoration, UsageNow } from './shapes.ts'

/** The last path, or the last id, of the page before. */
const Position = z.strictObject({ after: z.string() })

export function listRoutes({ db, files, quotas }: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const cursors = createCursorCodec(Position)
  const startOf = async (cursor: string | undefined): Promise<string> => cursor === undefined ? '' : (await cursors.read(cursor)).after
  const lists = { tag: 'lists', access: 'person' } as const
  const trash = { tag: 'trash', access: 'person' } as const

  const usageOf = async (owner: string) => {
    const { usedBytes, reservedBytes, quotaBytes } = await quotas.usage(owner)
    const [row] = await db.query(
      'SELECT count(*) AS all_files, count(deleted_at) AS trashed FROM files WHERE owner = :owner', { owner })
    const trashed = Number(row?.['trashed'])
    return { used_bytes: usedBytes, reserved_bytes: reservedBytes, quota_bytes: quotaBytes, files: Number(row?.['all_files']) - trashed, trashed }
  }

  return [
    route({
      ...lists, method: 'get', at: '/v1/list', id: 'listFiles', summary: 'The files of a folder, by path, and the folders in it', query: listQuery,
      answers: { 200: { description: 'A page', schema: FileList } },
      async handle({ query, caller }) {
        const owner = ownerOf(caller, query.owner)
        const folder = checkFolder(query.folder)
        const found = await files.list({ owner, folder, isRecursive: query.recursive, tag: query.tag, after: await startOf(query.cursor), limit: query.limit })
        const folders = query.recursive || query.cursor !== undefined ? undefined : await files.folders(owner, folder)
        const { items, ...more } = pageOf(found, query.limit, cursors, ({ path }) => ({ after: path }))
        return json({ items: items.map(showFile), ...(folders !== undefined && { folders }), ...more })
      },
    }),

    route({
      ...lists, method: 'get', at: '/v1/usage', id: 'getUsage', summary: 'How much there is, and how much there may be', query: ownerQuery,
      answers: { 200: { description: 'In bytes', schema: UsageNow } },
      handle: async ({ query, caller }) => json(await usageOf(ownerOf(caller, query.owner))),
    }),

    route({
      tag: 'lists', access: 'service', method: 'put', at: '/v1/quotas/:owner', id: 'setQuota', summary: 'How much somebody may have', path: ownerInPath, body: Quota,
      answers: { 200: { description: 'What there is now', schema: UsageNow } },
      async handle({ path: { owner }, body: { bytes } }) {
        await db.execute([
          { sql: 'INSERT OR IGNORE INTO owners (owner) VALUES (:owner)', parameters: { owner } },
          { sql: 'UPDATE owners SET quota_bytes = :bytes WHERE owner = :owner', parameters: { owner, bytes } },
        ])
        return json(await usageOf(owner))
      },
    }),

    route({
      ...trash, method: 'get', at: '/v1/trash', id: 'listTrash', summary: 'What was removed and can be had again', query: pageQuery,
      answers: { 200: { description: 'A page', schema: FilePage } },
      async handle({ query, caller }) {
        const found = await files.trash(ownerOf(caller, query.owner), await startOf(query.cursor), query.limit)
        const { items, ...more } = pageOf(found, query.limit, cursors, ({ id }) => ({ after: id }))
        return json({ items: items.map(showFile), ...more })
      },
    }),

    route({
      ...trash, method: 'post', at: '/v1/trash/:id/restore', id: 'restoreFile', summary: 'Takes a file out of the trash', path: idInPath, query: ownerQuery, body: Restoration,
      answers: { 200: { description: 'It is back', schema: File } },
      async handle({ path: { id }, query, body, caller }) {
        const path = body.path === undefined ? undefined : checkPath(body.path)
        return json(showFile(await files.restore(ownerOf(caller, query.owner), id, path)))
      },
    }),

    route({
      ...trash, method: 'delete', at: '/v1/trash/:id', id: 'removeForGood', summary: 'Removes a file of the trash for good, with all its versions', path: idInPath, query: ownerQuery,
      answers: { 204: { description: 'It is gone' } },
      async handle({ path: { id }, query, caller }) {
        await files.purge(ownerOf(caller, query.owner), { id })
        return nothing()
      },
    }),

    route({
      ...trash, method: 'delete', at: '/v1/trash', id: 'emptyTrash', summary: 'Removes the trash for good, all of it or that of a folder', query: emptyQuery,
      answers: { 204: { description: 'It is gone' } },
      async handle({ query, caller }) {
        await files.purge(ownerOf(caller, query.owner), { folder: checkFolder(query.folder) })
        return nothing()
      },
    }),
  ]
}

/** Versions of a file, by its path and by its id; their thumbnails. */
import { createHash, randomUUID } from 'node:crypto'
import { json, nothing } from '@bramble/runtime/service/answer'
import { ANY_TYPE, readBytes } from '@bramble/runtime/service/body'
import { etagOf } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { showFile, showVersion } from '../catalog/rows.ts'
import { checkPath } from '../content/path.ts'
import { sniff } from '../content/sniff.ts'
import { asProblem } from '../storage/store-problem.ts'
import { type Caller, ownerOf } from './access.ts'
import { contentAnswer } from './content-answer.ts'
import type { Deps } from './deps.ts'
import { checkOwner, shownAs, thumbnailOf } from './file-routes.ts'
import { File, inPath, ownerQuery, versionInPath, VersionNumber, Versions } from './shapes.ts'

/** Ten times what one usually has. */
const MAX_THUMBNAIL_BYTES = 512 * 1024
const thumbnailTypes = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/avif'])

export function versionRoutes({ db, store, files, locks, writeFile }: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const byPath = { tag: 'versions', access: 'person', at: '/v1/versions/:path*', path: inPath, query: ownerQuery } as const
  const at = '/v1/by-id/:id/:version'
  const byId = { tag: 'versions', path: versionInPath } as const
  const content = { 200: { description: 'All of it', type: ANY_TYPE }, 206: { description: 'The ranges that were asked for', type: ANY_TYPE }, 304: { description: 'The caller has it' } }

  return [
    route({
      ...byPath, method: 'get', id: 'listVersions', summary: 'The versions that are kept, the newest first',
      answers: { 200: { description: 'All of them', schema: Versions } },
      async handle({ path: { path }, query, caller }) {
        const file = await files.get(ownerOf(caller, query.owner), checkPath(path))
        return json({ items: (await files.versions(file.id)).map((version) => showVersion(version, file.current)) })
      },
    }),

    route({
      ...byPath, method: 'post', id: 'restoreVersion', summary: 'Makes the content of an old version the newest one', body: VersionNumber,
      answers: { 200: { description: 'The file as it is now', schema: File } },
      async handle({ path: { path }, query, body, caller }) {
        const owner = ownerOf(caller, query.owner)
        const old = await files.get(owner, checkPath(path), body.version)
        const { file } = await locks(old.hash, async () => {
          // It may have been the last that named its content, and gone since.
          if (await store.sizeOf(old.hash) !== old.size) throw new Problem(503, 'content_missing', `the content of version ${body.version} is not there`)
          return writeFile.write({ owner, path: old.path, writeId: randomUUID(), hash: old.hash, sizeBytes: old.size, contentType: old.content_type })
        })
        return json(showFile(file), 200, { etag: etagOf(file.hash) })
      },
    }),

    route({
      ...byId, method: 'get', at: `${at}/content`, id: 'getContent', summary: 'The content of one version of a file, wherever the file is now', access: 'person',
      answers: content,
      async handle({ path: { id, version }, caller, request }) {
        const file = checkOwner(caller, await files.getById(id, version))
        return contentAnswer(store, request, { ...shownAs(file, false), isImmutable: true })
      },
    }),

    route({
      ...byId, method: 'get', at: `${at}/thumbnail`, id: 'getThumbnail', summary: 'The thumbnail of one version of an image', access: 'person',
      answers: content,
      async handle({ path: { id, version }, caller, request }) {
        return contentAnswer(store, request, thumbnailOf(checkOwner(caller, await files.getById(id, version))))
      },
    }),

    route({
      ...byId, method: 'put', at: `${at}/thumbnail`, id: 'putThumbnail', summary: 'Stores the thumbnail that was made of a version', access: 'service', upload: ANY_TYPE,
      answers: { 204: { description: 'It is stored' } },
      async handle({ path: { id, version }, request }) {
        await files.getById(id, version)
        const bytes = await readBytes(request, MAX_THUMBNAIL_BYTES)
        const type = sniff(bytes, undefined)
        if (!thumbnailTypes.has(type)) throw new Problem(415, 'unsupported_media_type', `a thumbnail is one of ${[...thumbnailTypes].join(', ')}, not ${type}`)
        const hash = createHash('sha256').update(bytes).digest('hex')
        const isKept = await asProblem(locks(hash, async () => {
          const part = await store.openPart(`thumbnail-${randomUUID()}`, 0)
          try {
            await part.write([bytes])
            await part.keep(hash)
          } finally {
            await part.close()
          }
          return await db.execute([{
            sql: 'UPDATE versions SET thumbnail_hash = :hash, thumbnail_size = :size, thumbnail_type = :type WHERE file_id = :id AND version = :version',
            parameters: { id, version, hash, size: bytes.length, type }, changes: 1,
          }])
        }))
        if (isKept === undefined) throw notFound(`there is no version ${version} of a file ${id}`)
        return nothing()
      },
    }),
  ]
}

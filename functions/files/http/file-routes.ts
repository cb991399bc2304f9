/** Files by their path: contents and what is said about them. */
import { json, nothing } from '@bramble/runtime/service/answer'
import { ANY_TYPE } from '@bramble/runtime/service/body'
import { etagOf } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { documentTag, type FileRow, showFile } from '../catalog/rows.ts'
import { checkPath, nameOf } from '../content/path.ts'
import { type Caller, ownerOf } from './access.ts'
import { contentAnswer, type Shown } from './content-answer.ts'
import { digestIn } from './content-digest.ts'
import type { Deps } from './deps.ts'
import { File, ifMatch, inPath, ownerQuery, Patch, readQuery, writeHeaders, writeQuery } from './shapes.ts'

const etagHeader = { ETag: 'Of the content: its SHA-256' }
const documentHeader = { ETag: 'Of this document' }

export function fileRoutes({ store, files, takeIn }: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const same = { tag: 'files', access: 'person', path: inPath } as const

  return [
    route({
      ...same, method: 'get', at: '/v1/files/:path*', id: 'getFile', summary: 'The content of a file',
      description: '`Range`, `If-Range`, `If-Match`, `If-None-Match` and `If-Modified-Since` are honoured. What a browser could run is never shown, but kept.',
      query: readQuery,
      answers: {
        200: { description: 'All of it', type: ANY_TYPE, headers: etagHeader }, 206: { description: 'The ranges that were asked for', type: ANY_TYPE },
        304: { description: 'It is the one that the caller has' },
      },
      async handle({ path: { path }, query, caller, request }) {
        const file = await files.get(ownerOf(caller, query.owner), checkPath(path), query.version)
        return contentAnswer(store, request, query.thumbnail ? thumbnailOf(file) : shownAs(file, query.download))
      },
    }),

    route({
      ...same, method: 'put', at: '/v1/files/:path*', id: 'putFile', summary: 'Stores a file, or its next version',
      description: 'Durable when it answers. The bytes that are there already make no new version. The type is found by looking at the bytes; `Content-Type` helps.',
      query: writeQuery, headers: writeHeaders, upload: ANY_TYPE,
      answers: { 200: { description: 'It was there', schema: File, headers: etagHeader }, 201: { description: 'It is new', schema: File, headers: etagHeader } },
      async handle({ path: { path }, query, headers, caller, request }) {
        const { file, isNew } = await takeIn.take({
          owner: ownerOf(caller, query.owner), path: checkPath(path), tags: query.tag, ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'],
          // What is left of it after an error is read by the service, so that the caller hears the answer.
          body: request.iterator({ destroyOnReturn: false }), announcedBytes: Number(request.headers['content-length'] ?? 0),
          declaredType: request.headers['content-type'], wantedHash: digestIn(headers['content-digest']),
        })
        return json(showFile(file), isNew ? 201 : 200, { etag: etagOf(file.hash) })
      },
    }),

    route({
      ...same, method: 'delete', at: '/v1/files/:path*', id: 'removeFile', summary: 'Puts a file into the trash', query: ownerQuery, headers: ifMatch,
      answers: { 204: { description: 'It is in the trash' } },
      async handle({ path: { path }, query, headers, caller }) {
        await files.remove(ownerOf(caller, query.owner), checkPath(path), headers['if-match'])
        return nothing()
      },
    }),

    route({
      ...same, method: 'get', at: '/v1/info/:path*', id: 'getInfo', summary: 'What there is to say about a file', query: ownerQuery,
      answers: { 200: { description: 'The document', schema: File, headers: documentHeader } },
      async handle({ path: { path }, query, caller }) {
        const file = await files.get(ownerOf(caller, query.owner), checkPath(path))
        return json(showFile(file), 200, { etag: documentTag(file) })
      },
    }),

    route({
      ...same, method: 'patch', at: '/v1/info/:path*', id: 'changeInfo', summary: 'Moves a file, changes its metadata or its tags', query: ownerQuery, headers: ifMatch, body: Patch,
      answers: { 200: { description: 'The document as it is now', schema: File, headers: documentHeader } },
      async handle({ path: { path }, query, headers, body, caller }) {
        const patch = { ...body, ...(body.path !== undefined && { path: checkPath(body.path) }) }
        const file = await files.patch(ownerOf(caller, query.owner), checkPath(path), patch, headers['if-match'])
        return json(showFile(file), 200, { etag: documentTag(file) })
      },
    }),
  ]
}

export function shownAs(file: FileRow, isDownload: boolean): Shown {
  return { hash: file.hash, sizeBytes: file.size, contentType: file.content_type, name: nameOf(file.path), modifiedMs: file.version_at, isDownload }
}

/** Throws 404 while there is none. */
export function thumbnailOf(file: FileRow): Shown {
  const { thumbnail_hash: hash, thumbnail_size: sizeBytes, thumbnail_type: contentType } = file
  if (hash === null || sizeBytes === null || contentType === null) throw new Problem(404, 'no_thumbnail', `version ${file.version} of ${file.path} has no thumbnail (yet)`)
  return { hash, sizeBytes, contentType, name: nameOf(file.path), modifiedMs: file.version_at, isDownload: false }
}

/** Whether a caller may see a file that was named by its id; who may not is told that it is not there. */
export function checkOwner(caller: Caller, file: FileRow): FileRow {
  if (caller.kind === 'person' && caller.id !== file.owner) throw notFound(`there is no version ${file.version} of a file ${file.id}`)
  return file
}

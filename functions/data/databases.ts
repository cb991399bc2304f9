/** Databases as a whole: made, listed, removed, downloaded, put back. */
import type { IncomingMessage } from 'node:http'
import { json, nothing } from '@bramble/runtime/service/answer'
import { createCursorCodec, pageOf } from '@bramble/runtime/service/cursor'
import { matchesNone } from '@bramble/runtime/service/etag'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import { allow, type Caller } from './access.ts'
import { changing, etagOfDatabase, recordOf } from './changing.ts'
import { asProblem } from './data-problem.ts'
import type { Engine } from './engine/engine.ts'
import { DataError } from './engine/errors.ts'
import { Database, databaseJson, DatabaseName, ifMatch, inPath, page, paging, Restored, RestorePoint } from './shapes.ts'
import type { Turns } from './turns.ts'

export type DatabaseDeps = { readonly engine: Engine; readonly turns: Turns; readonly maxDatabaseBytes: number }

/** Registered for SQLite's files. */
const FILE_TYPE = 'application/vnd.sqlite3'
const etagHeader = { ETag: 'Of the content of the database' }
const ifNoneMatch = z.object({ 'if-none-match': z.string().max(500).optional() })

export function databaseRoutes({ engine, turns, maxDatabaseBytes }: DatabaseDeps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const cursors = createCursorCodec(z.strictObject({ after: DatabaseName }))

  const infoOf = (name: string) => {
    const info = engine.get(name)
    if (info === undefined) throw notFound(`there is no database ${name}: make it with PUT`)
    return databaseJson(info)
  }

  return [
    route({
      method: 'get', at: '/v1/db', id: 'listDatabases', tag: 'databases', access: 'service', summary: 'All databases, by name',
      query: paging,
      answers: { 200: { description: 'A page of them', schema: page(Database) } },
      async handle({ query: { limit, cursor } }) {
        const { after } = cursor === undefined ? { after: '' } : await cursors.read(cursor)
        const items = engine.list().filter(({ name }) => !name.startsWith('_') && name > after)
          .sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limit + 1)
        return json(pageOf(items.map(databaseJson), limit, cursors, ({ name }) => ({ after: name })))
      },
    }),

    route({
      method: 'get', at: '/v1/db/:name', id: 'getDatabase', tag: 'databases', access: 'token', summary: 'One database; opens it',
      path: inPath,
      answers: { 200: { description: 'How it is', schema: Database, headers: etagHeader } },
      async handle({ path: { name }, caller }) {
        allow(caller, name, 'read')
        if (infoOf(name).state === 'damaged') return json(infoOf(name))
        const record = await recordOf(engine, name)
        return json(infoOf(name), 200, { etag: etagOfDatabase(record) })
      },
    }),

    route({
      method: 'put', at: '/v1/db/:name', id: 'createDatabase', tag: 'databases', access: 'service',
      summary: 'Makes a database; one that is there is left as it is',
      path: inPath, headers: ifNoneMatch,
      answers: { 200: { description: 'It was there', schema: Database }, 201: { description: 'It is new', schema: Database } },
      async handle({ path: { name }, headers }) {
        if (headers['if-none-match']?.trim() === '*' && engine.get(name) !== undefined) {
          throw new Problem(412, 'precondition_failed', `database ${name} is there already`)
        }
        const { isNew } = await asProblem(engine.create(name).catch((error: unknown) => {
          if (error instanceof DataError && error.code === 'TOO_LARGE') throw new Problem(507, 'too_many_databases', error.message)
          throw error
        }))
        return json(infoOf(name), isNew ? 201 : 200)
      },
    }),

    route({
      method: 'delete', at: '/v1/db/:name', id: 'removeDatabase', tag: 'databases', access: 'service',
      summary: 'Removes a database with its history', path: inPath, headers: ifMatch,
      answers: { 204: { description: 'It is gone' } },
      handle: ({ path: { name }, headers }) => changing({ engine, turns, name, ifMatch: headers['if-match'], isWhole: true }, async () => {
        await asProblem(engine.remove(name))
        return nothing()
      }),
    }),

    route({
      method: 'get', at: '/v1/db/:name/backup', id: 'backup', tag: 'backup', access: 'token',
      summary: 'The content as an SQLite file, as it is between two transactions',
      path: inPath, headers: ifNoneMatch,
      answers: {
        200: { description: 'The file', type: FILE_TYPE, headers: etagHeader },
        304: { description: 'Nothing has changed since the one that `If-None-Match` names' },
      },
      async handle({ path: { name }, headers, caller, request }) {
        allow(caller, name, 'read')
        const etag = etagOfDatabase(await recordOf(engine, name))
        if (!matchesNone(headers['if-none-match'], etag)) return { status: 304, headers: { etag } }
        const answer = { 'content-type': FILE_TYPE, 'content-disposition': `attachment; filename="${name}.sqlite3"` }
        if (request.method === 'HEAD') return { status: 200, headers: { ...answer, etag } }
        const { record, sizeBytes, content } = await asProblem(engine.backup(name))
        return { status: 200, headers: { ...answer, etag: etagOfDatabase(record), 'content-length': sizeBytes }, body: content }
      },
    }),

    route({
      method: 'put', at: '/v1/db/:name/restore', id: 'restore', tag: 'backup', access: 'service',
      summary: 'Puts an SQLite file in the place of the content, as one change that can be undone',
      path: inPath, headers: ifMatch, upload: FILE_TYPE,
      answers: { 200: { description: 'It is the content now', schema: Restored, headers: etagHeader } },
      handle: ({ path: { name }, headers, request }) => changing({ engine, turns, name, ifMatch: headers['if-match'], isWhole: true }, async () => {
        const upload = createUpload(request, maxDatabaseBytes)
        const { record, sizeBytes } = await asProblem(engine.restore(name, upload.content())).catch((error: unknown) => { throw upload.failure() ?? error })
        return json({ record, size_bytes: sizeBytes }, 200, { etag: etagOfDatabase(record) })
      }),
    }),

    route({
      method: 'post', at: '/v1/db/:name/restore-to', id: 'restoreTo', tag: 'backup', access: 'service',
      summary: 'Puts an earlier state in the place of the content, as one change that can be undone',
      description: 'A damaged database is served again after it.',
      path: inPath, headers: ifMatch, body: RestorePoint,
      answers: { 200: { description: 'It is the content now', schema: Restored, headers: etagHeader } },
      handle: ({ path: { name }, headers, body }) => changing({ engine, turns, name, ifMatch: headers['if-match'], isWhole: true }, async () => {
        const target = 'record' in body ? body : { timeMs: Date.parse(body.time) }
        const { record, sizeBytes } = await asProblem(engine.restoreTo(name, target))
        return json({ record, size_bytes: sizeBytes }, 200, { etag: etagOfDatabase(record) })
      }),
    }),
  ]
}

/** What goes wrong with the upload itself is the caller's: the engine only sees that there is no more of it. */
function createUpload(request: IncomingMessage, limitBytes: number) {
  let failure: Problem | undefined
  return {
    failure: () => failure,
    async *content(): AsyncGenerator<Uint8Array> {
      let sizeBytes = 0
      try {
        // Not destroyed when it is too large: its connection is the gateway's, and carries the calls of others next.
        for await (const chunk of request.iterator({ destroyOnReturn: false })) {
          if (!(chunk instanceof Uint8Array)) throw new TypeError('a request gives bytes')
          sizeBytes += chunk.length
          if (sizeBytes > limitBytes) throw new Problem(413, 'too_large', `the file is larger than the ${limitBytes} bytes that a database may have`)
          yield chunk
        }
        // A download that failed, piped on, must not empty the database.
        if (sizeBytes === 0) throw new Problem(422, 'invalid', 'the file is empty: to empty a database, remove it and make it anew')
      } catch (error) {
        failure = error instanceof Problem ? error : new Problem(400, 'bad_request', 'the file did not arrive whole', { cause: error })
        throw failure
      }
    },
  }
}

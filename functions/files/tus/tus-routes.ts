/** tus 1.0 (https://tus.io/protocols/resumable-upload): creation, creation-with-upload, creation-defer-length, termination, checksum, expiration, concatenation. */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Answer, type AnswerHeaders, json, nothing, problemAnswer } from '@bramble/runtime/service/answer'
import { checkKey } from '@bramble/runtime/service/idempotency'
import { forbidden, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { type Caller, ownerOf } from '../http/access.ts'
import { idInPath, ownerQuery } from '../http/shapes.ts'
import type { TakeIn } from '../content/take-in.ts'
import type { Append } from './append.ts'
import { CHECKSUM_ALGORITHMS, checksumIn, type Concat, concatIn, describedBy } from './headers.ts'
import type { Supersede } from './supersede.ts'
import { appendHeaders, BYTES, createHeaders, overrideHeaders, readHeaders, UploadState } from './tus-shapes.ts'
import type { Upload, Uploads } from './upload-rows.ts'

export type TusDeps = {
  readonly uploads: Uploads
  readonly append: Append
  readonly supersede: Supersede
  readonly takeIn: TakeIn
  readonly maxFileBytes: number
}

const VERSION = '1.0.0'
const EXTENSIONS = 'creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation'
const common = { 'tus-resumable': VERSION }

export function tusRoutes({ uploads, append, supersede, takeIn, maxFileBytes }: TusDeps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  const refuse = (problem: Problem): Answer => {
    const answer = problemAnswer(problem)
    return { ...answer, headers: { ...answer.headers, ...common } }
  }
  /** The usual client begins a new upload when HEAD is answered with anything but this. */
  const refuseForNow = (problem: Problem): Answer => refuse(problem.status < 500 ? problem
    : new Problem(423, problem.code, problem.message, { headers: problem.headers, cause: problem }))
  const same = { tag: 'uploads', query: ownerQuery, refuse } as const
  const what = {
    'tus-version': VERSION, 'tus-extension': EXTENSIONS, 'tus-max-size': maxFileBytes, 'tus-checksum-algorithm': CHECKSUM_ALGORITHMS.join(','), ...common,
  }

  /** All that is left to do for it is done, whatever a process before this one left. */
  const current = async (owner: string, id: string): Promise<Upload> => {
    const upload = await uploads.get(owner, id)
    if (upload.file_id !== null || upload.received !== upload.length || upload.kind === 'partial') return upload
    await append.finish(upload)
    return uploads.get(owner, id)
  }

  const patch = (owner: string, id: string, headers: { readonly 'upload-offset': number; readonly 'upload-length'?: number | undefined; readonly 'upload-checksum'?: string | undefined }, request: IncomingMessage) =>
    supersede(owner, id, async (signal): Promise<Answer> => {
      const checksum = checksumIn(headers['upload-checksum'])
      let upload = await current(owner, id)
      if (upload.kind === 'final') throw forbidden('an upload that joins others takes no bytes of its own')
      if (headers['upload-offset'] !== upload.received) {
        throw new Problem(409, 'wrong_offset', `this upload has ${upload.received} bytes: go on there`, { headers: { 'upload-offset': String(upload.received) } })
      }
      const length = headers['upload-length']
      if (length !== undefined && length !== upload.length) {
        if (upload.length !== null) throw new Problem(422, 'length_known', `this upload was announced with ${upload.length} bytes`)
        if (length < upload.received) throw new Problem(422, 'too_short', `this upload has ${upload.received} bytes already`)
        await takeIn.checkRoom(length)
        await uploads.saveLength(id, length)
        upload = { ...upload, length }
      }
      const now = await append.bytes(upload, request, checksum, signal)
      await append.finish(now)
      return nothing({ ...common, 'upload-offset': now.received, ...expiry(now) })
    })

  const join = (upload: Upload): Promise<void> => supersede(upload.owner, upload.id, async () => {
    const now = await uploads.get(upload.owner, upload.id)
    if (now.file_id !== null) return
    await append.join(now, await partsOf(now.owner, now.parts))
  })
  const partsOf = async (owner: string, ids: readonly string[]): Promise<readonly Upload[]> => {
    const parts: Upload[] = []
    for (const id of ids) {
      const part = await uploads.find(owner, id)
      if (part === undefined || part.kind !== 'partial' || part.length === null || part.received !== part.length) {
        throw new Problem(422, 'part_missing', `${id} is not a partial upload that has all its bytes`, { errors: [{ in: 'header', path: '/upload-concat', detail: `${id} cannot be joined` }] })
      }
      parts.push(part)
    }
    return parts
  }

  return [
    route({
      ...same, method: 'options', at: '/v1/uploads', id: 'tusOptions', summary: 'What of tus is there', access: 'public',
      answers: { 204: { description: 'In the headers' } },
      handle: () => nothing(what),
    }),
    route({
      ...same, method: 'options', at: '/v1/uploads/:id', id: 'tusOptionsOfOne', summary: 'What of tus is there', access: 'public', path: idInPath,
      answers: { 204: { description: 'In the headers' } },
      handle: () => nothing(what),
    }),

    route({
      ...same, method: 'post', at: '/v1/uploads', id: 'createUpload', summary: 'Announces an upload, perhaps with its first bytes', access: 'person', headers: createHeaders,
      description: '`Upload-Metadata`: `path`, or `filename` and perhaps `folder`; `filetype`; `tags` with commas between. What else there is becomes metadata of the file.',
      answers: { 201: { description: 'It is there', headers: { Location: 'Where its bytes go, beside this address', 'Upload-Offset': 'How many it has', 'Upload-Expires': 'Until when it waits for more' } } },
      async handle({ query, headers, caller, request }) {
        checkVersion(headers['tus-resumable'])
        const owner = ownerOf(caller, query.owner)
        const concat = concatIn(headers['upload-concat'])
        const header = headers['upload-metadata'] ?? ''
        const path = concat.kind === 'partial' ? '' : pathIn(header)
        const parts = concat.kind === 'final' ? await joined(owner, concat, header) : []
        const length = concat.kind === 'final' ? parts.reduce((sum, part) => sum + (part.length ?? 0), 0) : lengthIn(headers['upload-length'], headers['upload-defer-length'])
        const id = idOf(owner, concat, header, checkKey(headers['idempotency-key']))
        const there = concat.kind === 'final' ? await uploads.find(owner, id) : undefined
        if (there === undefined) await takeIn.checkRoom(length ?? 0)
        const upload = there ?? await uploads.create({ id, owner, path, kind: concat.kind, parts: parts.map((part) => part.id), header, length })
        const location = `uploads/${id}${query.owner === undefined ? '' : `?owner=${encodeURIComponent(query.owner)}`}`
        const made = (received: number, now: Upload): Answer => ({ status: 201, headers: { ...common, location, 'upload-offset': received, ...expiry(now) } })
        if (concat.kind === 'final') {
          await join(upload)
          const joint = await uploads.get(owner, id)
          return made(joint.received, joint)
        }
        // One that has bytes already is asked for again: HEAD tells where to go on.
        const takesBytes = headers['content-type'] === BYTES && upload.received === 0
        if (!takesBytes && (upload.length !== 0 || upload.file_id !== null)) return made(upload.received, upload)
        const answer = await patch(owner, id, { 'upload-offset': upload.received, 'upload-checksum': headers['upload-checksum'] }, request)
        return made(Number(answer.headers?.['upload-offset']), await uploads.get(owner, id))
      },
    }),

    route({
      ...same, refuse: refuseForNow, method: 'get', at: '/v1/uploads/:id', id: 'getUpload', summary: 'How far an upload is', access: 'person', path: idInPath, headers: readHeaders,
      description: 'HEAD ends a call that is still sending bytes: who asks for the offset means to go on there. 423: it cannot be told just now.',
      answers: { 200: { description: 'In the headers, and of GET as JSON', schema: UploadState, headers: { 'Upload-Offset': 'How many bytes are kept' } } },
      async handle({ path: { id }, query, headers, caller, request }) {
        const owner = ownerOf(caller, query.owner)
        if (request.method === 'HEAD') checkVersion(headers['tus-resumable'])
        const upload = request.method === 'HEAD' ? await supersede(owner, id, () => current(owner, id)) : await uploads.get(owner, id)
        const state = {
          id, received: upload.received, expires_at: new Date(upload.expires_at).toISOString(), is_finished: upload.file_id !== null,
          ...(upload.length !== null && { length: upload.length }), ...(upload.file_id !== null && { file_id: upload.file_id }), ...(upload.path !== '' && { path: upload.path }),
        }
        return json(state, 200, {
          ...common, 'upload-offset': upload.received, ...expiry(upload), ...(upload.header !== '' && { 'upload-metadata': upload.header }),
          ...(upload.length === null ? { 'upload-defer-length': '1' } : { 'upload-length': upload.length }),
          ...(upload.kind !== '' && { 'upload-concat': upload.kind === 'partial' ? 'partial' : `final;${upload.parts.map((part) => `uploads/${part}`).join(' ')}` }),
        })
      },
    }),

    route({
      ...same, method: 'patch', at: '/v1/uploads/:id', id: 'appendToUpload', summary: 'The next bytes of an upload', access: 'person', path: idInPath, headers: appendHeaders,
      description: 'What was answered as `Upload-Offset` survives a power cut. After the last byte the file is there.', upload: BYTES,
      answers: { 204: { description: 'They are kept', headers: { 'Upload-Offset': 'How many there are now' } } },
      handle({ path: { id }, query, headers, caller, request }) {
        checkVersion(headers['tus-resumable'])
        return patch(ownerOf(caller, query.owner), id, headers, request)
      },
    }),

    route({
      ...same, method: 'delete', at: '/v1/uploads/:id', id: 'endUpload', summary: 'Gives an upload up; a file that was made of it stays', access: 'person', path: idInPath, headers: readHeaders,
      answers: { 204: { description: 'It is gone' } },
      async handle({ path: { id }, query, headers, caller }) {
        checkVersion(headers['tus-resumable'])
        const owner = ownerOf(caller, query.owner)
        await supersede(owner, id, async () => append.remove(await uploads.get(owner, id)))
        return nothing(common)
      },
    }),

    route({
      ...same, method: 'post', at: '/v1/uploads/:id', id: 'appendToUploadByPost', summary: 'PATCH for those who can only POST', access: 'person', path: idInPath, headers: overrideHeaders, upload: BYTES,
      answers: { 204: { description: 'They are kept', headers: { 'Upload-Offset': 'How many there are now' } } },
      handle({ path: { id }, query, headers, caller, request }) {
        checkVersion(headers['tus-resumable'])
        return patch(ownerOf(caller, query.owner), id, headers, request)
      },
    }),
  ]

  /** Those to be joined, or those that were: a call that is sent again finds them gone. */
  async function joined(owner: string, concat: Concat & { readonly kind: 'final' }, header: string): Promise<readonly Upload[]> {
    const before = await uploads.find(owner, idOf(owner, concat, header, undefined))
    return before === undefined ? partsOf(owner, concat.ids) : []
  }
}

/** The same parts under another name are another call. */
function idOf(owner: string, concat: Concat, header: string, key: string | undefined): string {
  const seed = concat.kind === 'final' ? ['final', owner, header, ...concat.ids] : key === undefined ? undefined : ['key', owner, key]
  return seed === undefined ? randomUUID() : createHash('sha256').update(JSON.stringify(seed)).digest('base64url')
}

function checkVersion(version: string | undefined): void {
  if (version !== VERSION) throw new Problem(412, 'wrong_version', `send "Tus-Resumable: ${VERSION}"`, { headers: { 'tus-version': VERSION } })
}

function lengthIn(length: number | undefined, deferred: string | undefined): number | null {
  if ((length === undefined) === (deferred === undefined)) throw new Problem(422, 'bad_length', 'send either Upload-Length or "Upload-Defer-Length: 1"')
  return length ?? null
}

function pathIn(header: string): string {
  const { path } = describedBy(header)
  if (path !== undefined) return path
  const detail = 'must have a path, or a filename'
  throw new Problem(422, 'no_name', `Upload-Metadata ${detail}`, { errors: [{ in: 'header', path: '/upload-metadata', detail }] })
}

/** Of one that waits for bytes. */
function expiry(upload: Upload): AnswerHeaders {
  const isWhole = upload.kind === '' && upload.received === upload.length
  return upload.file_id === null && !isWhole ? { 'upload-expires': new Date(upload.expires_at).toUTCString() } : {}
}

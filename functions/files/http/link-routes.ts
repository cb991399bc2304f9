/** Signed links: made by who may read a file, opened by whoever has one. */
import { json } from '@bramble/runtime/service/answer'
import { ANY_TYPE } from '@bramble/runtime/service/body'
import { notFound, Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import * as z from 'zod'
import { selectFiles, readFile, timeOf } from '../catalog/rows.ts'
import { MAX_TOKEN_LENGTH } from '../content/links.ts'
import { checkPath, MAX_PATH_LENGTH } from '../content/path.ts'
import { type Caller, ownerOf } from './access.ts'
import { contentAnswer } from './content-answer.ts'
import type { Deps } from './deps.ts'
import { shownAs, thumbnailOf } from './file-routes.ts'
import { ownerQuery } from './shapes.ts'

const MAX_SECONDS = 10 * 365 * 24 * 3600
const NewLink = z.strictObject({
  path: z.string().min(1).max(MAX_PATH_LENGTH),
  expires_in_seconds: z.int().min(1).max(MAX_SECONDS).describe('At most `link_time`'),
  version: z.int().min(1).optional().describe('Only this one; without it always the current one'),
  thumbnail: z.boolean().default(false),
  download: z.boolean().default(false).describe('To be kept, not shown'),
})
const MadeLink = z.object({ url: z.string().describe('Beside the description of this service'), expires_at: z.string() })
const tokenInPath = z.strictObject({ token: z.string().regex(/^[A-Za-z0-9_.-]{1,400}$/).max(MAX_TOKEN_LENGTH) })

export function linkRoutes({ db, store, files, links, settings, nowMs }: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  return [
    route({
      method: 'post', at: '/v1/links', id: 'makeLink', tag: 'links', access: 'person', summary: 'Makes a link that opens one file for whoever has it',
      description: 'It follows the file when that is moved, and ends when it is put into the trash. Nothing is stored: it may be made again.',
      query: ownerQuery, body: NewLink,
      answers: { 201: { description: 'The link', schema: MadeLink } },
      async handle({ query, body, caller }) {
        if (body.expires_in_seconds * 1000 > settings.linkMs) {
          const detail = `must be at most ${Math.floor(settings.linkMs / 1000)} (link_time)`
          throw new Problem(422, 'too_long', `expires_in_seconds ${detail}`, { errors: [{ in: 'body', path: '/expires_in_seconds', detail }] })
        }
        const file = await files.get(ownerOf(caller, query.owner), checkPath(body.path), body.version)
        const x = Math.floor(nowMs() / 1000) + body.expires_in_seconds
        const token = links.sign({
          f: file.id, x, ...(body.version !== undefined && { v: body.version }), ...(body.thumbnail && { t: 1 as const }), ...(body.download && { d: 1 as const }),
        })
        return json({ url: `v1/shared/${token}`, expires_at: timeOf(x * 1000) }, 201)
      },
    }),

    route({
      method: 'get', at: '/v1/shared/:token', id: 'openLink', tag: 'links', access: 'public', summary: 'What a link opens', path: tokenInPath,
      answers: { 200: { description: 'All of it', type: ANY_TYPE }, 206: { description: 'The ranges that were asked for', type: ANY_TYPE }, 304: { description: 'The caller has it' } },
      async handle({ path: { token }, request }) {
        const link = links.read(token, nowMs())
        const gone = (): Problem => notFound('this link is wrong or over, or the file is gone')
        if (link === undefined) throw gone()
        const [row] = await db.query(`${selectFiles} WHERE f.id = :id AND f.deleted_at IS NULL`, { id: link.f })
        if (row === undefined) throw gone()
        const current = readFile(row)
        const file = link.v === undefined || link.v === current.version ? current : await files.getById(link.f, link.v)
        return contentAnswer(store, request, link.t === 1 ? thumbnailOf(file) : shownAs(file, link.d === 1))
      },
    }),
  ]
}

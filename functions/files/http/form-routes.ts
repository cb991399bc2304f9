/** Files as a form of a web page sends them. */
import { json } from '@bramble/runtime/service/answer'
import { ANY_TYPE } from '@bramble/runtime/service/body'
import { Problem } from '@bramble/runtime/service/problem'
import { type Route, routeFor } from '@bramble/runtime/service/route'
import { type FileRow, showFile } from '../catalog/rows.ts'
import { checkFolder, checkPath } from '../content/path.ts'
import { type Caller, ownerOf } from './access.ts'
import type { Deps } from './deps.ts'
import { FileItems, formQuery } from './shapes.ts'

export function formRoutes({ takeIn }: Deps): readonly Route<Caller>[] {
  const route = routeFor<Caller>()
  return [
    route({
      method: 'post', at: '/v1/files', id: 'postForm', tag: 'files', access: 'person', summary: 'Stores the files of a form (multipart/form-data) in a folder',
      description: 'Each under its own name. One after the other: when one is refused, those before it are stored, and it may be sent again as a whole.',
      query: formQuery, upload: ANY_TYPE,
      answers: { 201: { description: 'The files', schema: FileItems } },
      async handle({ query, caller, request }) {
        const owner = ownerOf(caller, query.owner)
        const folder = checkFolder(query.folder)
        const stored: FileRow[] = []
        // Only those who send forms pay for what reads them.
        const { readForm } = await import('../content/form.ts')
        await readForm(request, async ({ name, declaredType, body }) => {
          const path = checkPath(folder === '' ? name : `${folder}/${name}`, '/filename')
          const { file } = await takeIn.take({ owner, path, tags: query.tag, body, announcedBytes: 0, declaredType })
          stored.push(file)
        })
        if (stored.length === 0) throw new Problem(422, 'no_files', 'there is no file in this form')
        return json({ items: stored.map(showFile) }, 201)
      },
    }),
  ]
}

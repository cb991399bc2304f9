/** The files of a form (RFC 7578), one after the other as they come: none is in memory, and none is skipped in silence. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { Problem } from '@bramble/runtime/service/problem'

export type FormFile = { readonly name: string; readonly declaredType: string; readonly body: AsyncIterable<Uint8Array> }

const MAX_FILES = 100
const MAX_FIELDS = 100
const MAX_FIELD_BYTES = 64 * 1024
const MAX_PARTS = MAX_FILES + MAX_FIELDS

/** `take` is called for one file after the other. Throws problems, and what `take` throws. */
export async function readForm(request: IncomingMessage, take: (file: FormFile) => Promise<void>): Promise<void> {
  const type = request.headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*;/i.test(type)) throw new Problem(415, 'unsupported_media_type', 'send a form as multipart/form-data with a boundary')
  const bad = (cause: unknown): Problem => new Problem(400, 'bad_form', `this form cannot be read: ${cause instanceof Error ? cause.message : 'it ends too early'}`, { cause })
  let form: InstanceType<typeof Busboy>
  try {
    // What a file may have, its taker says. Of a name with a path the last part is taken.
    form = new Busboy({
      headers: { ...request.headers, 'content-type': type },
      limits: { files: MAX_FILES, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, parts: MAX_PARTS },
    })
  } catch (cause) {
    throw bad(cause)
  }
  let failure: { readonly error: unknown } | undefined
  let taking = Promise.resolve()
  let current: Readable | undefined
  const fail = (error: unknown): void => {
    failure ??= { error }
    current?.destroy(error instanceof Error ? error : undefined)
    // Nobody parses what is left; the service reads it away.
    request.unpipe(form)
    form.destroy()
  }
  await new Promise<void>((resolve) => {
    const end = (): void => void taking.finally(resolve)
    form.on('file', (_field, stream, name, _encoding, declaredType) => {
      stream.on('error', () => undefined)
      taking = taking.then(async () => {
        // A field for a file that was left empty has no name.
        if (failure !== undefined || !name) return void stream.resume()
        current = stream
        await take({ name, declaredType, body: stream })
        current = undefined
      }).catch((error: unknown) => {
        fail(error)
        resolve()
      })
    })
    for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
      form.on(limit, () => {
        fail(new Problem(413, 'too_large', `a form has at most ${MAX_FILES} files and ${MAX_FIELDS} other fields`))
        end()
      })
    }
    form.on('error', (error) => {
      fail(bad(error))
      end()
    })
    form.on('finish', end)
    const onClose = (): void => {
      // What came and was not read yet is lost with the connection.
      if (request.readableEnded) return
      fail(bad(undefined))
      end()
    }
    // Nothing is heard any more of a caller who hung up before this.
    if (request.destroyed) return onClose()
    request.on('close', onClose).pipe(form)
  })
  if (failure !== undefined) throw failure.error
}

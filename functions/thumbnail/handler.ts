/**
 * Makes the thumbnail of a photo. The files service calls it asynchronously, `{ file_id, version }` and more in the body, perhaps twice;
 * what it makes of one version is always the same. An answer below 400 means done, 503: call again later.
 */
// First: in the thread of an image nothing of what follows begins.
import './image-thread.ts'
import { type Context, type Event, HttpError } from '@bramble/runtime'
import { isSameText, serviceToken as readServiceToken } from '@bramble/runtime/service/token'
import { makeThumbnail } from './make-thumbnail.ts'
import { readMessage } from './message.ts'
import { createStoredFiles } from './stored-files.ts'
import { UnfitImage } from './unfit-image.ts'

const gatewayUrl = process.env['gateway_url'] || 'http://gateway.openfaas:8080'
const serviceToken = readServiceToken()
const files = createStoredFiles(process.env['files_url'] || `${gatewayUrl}/function/files`, serviceToken)
/** One image at a time is in memory; the others wait. */
let turn: Promise<unknown> = Promise.resolve()

export default async function thumbnail(event: Event, { log }: Context): Promise<object> {
  if (!isSameText(event.headers.authorization ?? '', `Bearer ${serviceToken}`)) throw new HttpError(401, 'show the service token')
  const version = readMessage(event.body)
  const mine = turn.then(() => make())
  turn = mine.then(() => undefined, () => undefined)
  return mine

  async function make(): Promise<object> {
    try {
      const original = await files.read(version)
      if (original === undefined) return { done: 'the file is gone' }
      const startedAtMs = performance.now()
      const { jpeg, width, height } = await makeThumbnail(original)
      await files.writeThumbnail(version, jpeg)
      log.info('thumbnail made', { ...version, width, height, bytes: jpeg.length, ms: Math.round(performance.now() - startedAtMs) })
      return { done: 'made', width, height }
    } catch (error) {
      // Trying again would not help.
      if (!(error instanceof UnfitImage)) throw error
      log.warn('no thumbnail', { ...version, reason: error.message })
      return { done: error.message }
    }
  }
}

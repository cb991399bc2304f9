/** The two calls to the files service, with the service token. What is gone there is `undefined`; another failure is one for later. */
import { HttpError } from '@bramble/runtime'
import { MAX_ORIGINAL_BYTES } from './limits.ts'
import { UnfitImage } from './unfit-image.ts'

/** One version of a file, which never changes. */
export type Version = { readonly fileId: string; readonly version: number }

export type StoredFiles = {
  /** Throws `UnfitImage` for one that is too large. */
  read(one: Version): Promise<Uint8Array<ArrayBuffer> | undefined>
  writeThumbnail(one: Version, jpeg: Uint8Array<ArrayBuffer>): Promise<void>
}

/** Of a board and a disk that have other work. */
const TIMEOUT_MS = 30_000

export function createStoredFiles(filesUrl: string, serviceToken: string): StoredFiles {
  const call = async ({ fileId, version }: Version, what: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(`${filesUrl}/v1/by-id/${encodeURIComponent(fileId)}/${version}/${what}`, {
      ...init, headers: { ...init.headers, authorization: `Bearer ${serviceToken}` }, signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: unknown) => { throw unanswered(error) })
    if (response.ok || response.status === 404) return response
    throw new HttpError(503, `files answers ${response.status}: ${await response.text()}`)
  }
  return {
    async read(one) {
      const response = await call(one, 'content')
      const isGone = response.status === 404
      const isTooLarge = Number(response.headers.get('content-length') ?? 0) > MAX_ORIGINAL_BYTES
      if (isGone || isTooLarge) await response.body?.cancel()
      if (isTooLarge) throw tooLarge()
      return isGone ? undefined : contentOf(response)
    },
    async writeThumbnail(one, jpeg) {
      const response = await call(one, 'thumbnail', { method: 'PUT', headers: { 'content-type': 'image/jpeg' }, body: jpeg })
      await response.body?.cancel()
    },
  }
}

/** Whatever length it says it has. */
async function contentOf({ body }: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of body ?? []) {
      sizeBytes += chunk.length
      if (sizeBytes > MAX_ORIGINAL_BYTES) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof UnfitImage ? error : unanswered(error)
  }
  // Not a Buffer: its memory may be a part of one that others have, too, and the thread takes it away.
  const content = new Uint8Array(sizeBytes)
  let at = 0
  for (const chunk of chunks) {
    content.set(chunk, at)
    at += chunk.length
  }
  return content
}

function tooLarge(): UnfitImage {
  return new UnfitImage(`this image has more than ${MAX_ORIGINAL_BYTES} bytes`)
}

function unanswered(error: unknown): HttpError {
  return new HttpError(503, `files does not answer: ${error instanceof Error ? error.message : 'unknown'}`)
}

/**
 * One blob into a registry, in chunks: a cut costs what the registry has not kept. Registries differ there: by the
 * specification they say how far they are; those of the distribution project before 3.0 forget an upload that was cut
 * within a chunk, and it begins again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../lib/backoff.ts'
import { BrambleError, reasonOf } from '../lib/errors.ts'
import type { BlobName, Layout } from './layout.ts'
import { readAll } from './read-body.ts'
import { isFull, isPassing, refusalError } from './registry-error.ts'
import { retryPauses, type Registry, type RegistryReply } from './registry.ts'

export type UploadOptions = {
  readonly registry: Registry
  readonly repository: string
  readonly layout: Pick<Layout, 'read'>
  readonly blob: BlobName
  /** For errors: `the layer sha256:…`. */
  readonly what: string
  /** A repository of the same registry that has the blob. */
  readonly mountFrom?: string | undefined
  /** Bytes that the registry has. */
  readonly onSent?: (bytes: number) => void
  /** After a failure it goes on from there. */
  readonly onResumed?: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** GitHub's registry takes no more at once (4 MiB); at 5 MB/s it is less than a second. */
const CHUNK_BYTES = 4_000_000
/** In a row without a byte of progress. */
const MAX_FAILURES = 4
/** An upload that goes on later, or that has to be looked at first. */
const passingStatuses = [408, 416, 429, 500, 502, 503, 504]

type Session = { location: URL; offset: number; chunkBytes: number }

/** Answers whether bytes were sent. Fails, with nothing left behind that could be taken for the blob, or it is there whole. */
export async function uploadBlob(options: UploadOptions): Promise<'sent' | 'mounted' | 'present'> {
  const { registry, repository, layout, blob, what, mountFrom, onSent, onResumed, signal } = options
  const purpose = `push ${what} to ${repository}`
  const about = { repository, actions: 'pull,push', purpose, signal }
  let session: Session | undefined
  let best = 0

  /** The session, or `mounted` when the registry had the blob elsewhere. */
  const begin = async (): Promise<Session | 'mounted'> => {
    const query = mountFrom === undefined ? '' : `?${new URLSearchParams({ mount: blob.digest, from: mountFrom })}`
    const reply = await registry.call({ ...about, method: 'POST', target: `blobs/uploads/${query}`, ...(mountFrom === undefined ? {} : { alsoPulls: mountFrom }) })
    if (reply.status === 201) return 'mounted'
    const least = Number(reply.headers['oci-chunk-min-length'] ?? 0)
    return { location: await locationOf(reply), offset: 0, chunkBytes: Math.max(CHUNK_BYTES, Number.isSafeInteger(least) ? least : 0) }
  }

  const locationOf = async (reply: RegistryReply, fallback?: URL): Promise<URL> => {
    const location = await registry.locate(reply.headers.location) ?? fallback
    if (location) return location
    throw new BrambleError('UPSTREAM', `registry ${registry.name} does not say where to ${purpose}: is it a registry?`)
  }

  /** Sends all from the session's offset on; what fails leaves the session as it was known last. */
  const send = async (open: Session): Promise<void> => {
    if (blob.size <= open.chunkBytes && open.offset === 0) return finish(open, await readAll(layout.read(blob)))
    while (open.offset < blob.size) {
      const from = open.offset
      for await (const chunk of chunksOf(layout.read(blob, from), open.chunkBytes)) {
        const expected = open.offset + chunk.length
        const reply = await registry.call({
          ...about, method: 'PATCH', target: open.location, body: chunk, isRepeatable: false, accepts: passingStatuses,
          headers: { 'content-type': 'application/octet-stream', 'content-range': `${open.offset}-${expected - 1}` },
        })
        if (passingStatuses.includes(reply.status)) throw passing(reply)
        open.location = await locationOf(reply, open.location)
        open.offset = offsetOf(reply) ?? expected
        if (open.offset > blob.size) throw new BrambleError('UPSTREAM', `registry ${registry.name} has more of ${what} than there is: push again`)
        onSent?.(open.offset)
        // It kept less than it was sent: go on from there.
        if (open.offset !== expected) break
      }
      if (open.offset <= from) throw new BrambleError('UPSTREAM', `registry ${registry.name} keeps nothing of what it is sent, trying to ${purpose}`)
    }
    await finish(open)
  }

  /** `body` is what is not there yet. The registry checks the digest. */
  const finish = async ({ location }: Session, body?: Buffer): Promise<void> => {
    const end = new URL(location)
    end.searchParams.set('digest', blob.digest)
    const reply = await registry.call({
      ...about, method: 'PUT', target: end, isRepeatable: false, accepts: passingStatuses,
      headers: { 'content-type': 'application/octet-stream' }, ...(body ? { body } : {}),
    })
    if (passingStatuses.includes(reply.status)) throw passing(reply)
  }

  const passing = ({ status, body }: RegistryReply): BrambleError => {
    const text = body.toString('utf8')
    const error = refusalError({ status, body: text }, { registry: registry.name, purpose })
    return isFull(status, text) ? error : new BrambleError('BUSY', error.message, { cause: error })
  }

  /** Where the registry is; `undefined` when it has forgotten the upload. */
  const look = async ({ location, chunkBytes }: Session): Promise<Session | undefined> => {
    const reply = await registry.call({ ...about, method: 'GET', target: location, accepts: [400, 404, 416] })
    const offset = reply.status < 300 ? offsetOf(reply) : undefined
    return offset === undefined || offset > blob.size ? undefined : { location: await locationOf(reply, location), offset, chunkBytes }
  }

  for (let failures = 0; ;) {
    try {
      if (failures > 0) {
        await delay(backoffMs(failures, retryPauses), undefined, signal ? { signal } : {})
        if (session) session = await look(session)
        // The end may have arrived although its answer did not.
        if (!session && await hasBlob(registry, repository, blob, purpose, signal)) return 'sent'
        onResumed?.(session?.offset ?? 0)
      }
      if (!session) {
        const begun = await begin()
        if (begun === 'mounted') return 'mounted'
        session = begun
      }
      await send(session)
      return 'sent'
    } catch (error) {
      signal?.throwIfAborted()
      if ((session?.offset ?? 0) > best) failures = 0
      best = Math.max(best, session?.offset ?? 0)
      const code = error instanceof BrambleError ? error.code : undefined
      const isForgotten = code === 'NOT_FOUND' && session !== undefined
      const isTemporary = isForgotten || code === 'BUSY' || isPassing(error)
      if (!isTemporary || ++failures > MAX_FAILURES) {
        if (session) await forget(session)
        throw isTemporary ? interrupted(error) : error
      }
      if (isForgotten) session = undefined
    }
  }

  /** The registry need not keep what will not be continued; it throws it away by itself some day if this fails. */
  async function forget({ location }: Session): Promise<void> {
    await registry.call({ ...about, method: 'DELETE', target: location, isRepeatable: false, accepts: [400, 404, 405] }).catch(() => undefined)
  }

  function interrupted(error: unknown): BrambleError {
    return new BrambleError('UPSTREAM', `the push to registry ${registry.name} was interrupted at ${what}: ${reasonOf(error)}. ` +
      'What is complete stays there and no tag was changed; push again to go on', { cause: error })
  }
}

/** Whether a repository has the blob, whole. */
export async function hasBlob(registry: Registry, repository: string, blob: BlobName, purpose: string, signal?: AbortSignal): Promise<boolean> {
  const { status, headers } = await registry.call({
    method: 'HEAD', repository, actions: 'pull,push', target: `blobs/${blob.digest}`, purpose, accepts: [404], signal,
  })
  const length = headers['content-length']
  return status === 200 && (length === undefined || Number(length) === blob.size)
}

/** `Range: 0-N`, the last byte there. `0-0` is said of nothing and of one byte alike: it counts as nothing known. */
function offsetOf({ headers }: RegistryReply): number | undefined {
  const end = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(String(headers['range'] ?? ''))?.[1]
  return end === undefined || end === '0' ? undefined : Number(end) + 1
}

async function* chunksOf(stream: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let bytes = 0
  for await (let part of stream) {
    while (bytes + part.length >= chunkBytes) {
      yield Buffer.concat([...parts, part.subarray(0, chunkBytes - bytes)])
      part = part.subarray(chunkBytes - bytes)
      parts = []
      bytes = 0
    }
    parts.push(part)
    bytes += part.length
  }
  if (bytes > 0) yield Buffer.concat(parts)
}

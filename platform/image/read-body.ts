/** Streams as a whole: the body of an answer up to a limit, and what is known to be small. */
import type { IncomingMessage } from 'node:http'
import { BrambleError } from '../lib/errors.ts'

/** Manifests, lists and errors; the specification lets registries refuse manifests beyond this. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

export async function readBody(reply: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) {
      reply.destroy()
      throw new BrambleError('TOO_LARGE', `an answer of a registry is larger than ${MAX_BODY_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export async function readText(reply: IncomingMessage): Promise<string> {
  return (await readBody(reply)).toString('utf8')
}

/** The caller knows that it is not much. */
export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

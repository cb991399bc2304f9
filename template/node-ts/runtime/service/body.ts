/** A request's body in memory, as JSON or as a form. */
import type { IncomingMessage } from 'node:http'
import { busy, Problem } from './problem.ts'

export type BodyOptions = {
  readonly type: 'application/json' | 'application/x-www-form-urlencoded'
  readonly limitBytes: number
}

/** As the type of an upload: whatever it is sent as. */
export const ANY_TYPE = '*/*'

/** Of lists and objects in each other. */
const MAX_DEPTH = 100
const [QUOTE, BACKSLASH, BRACE, BRACKET, END_BRACE, END_BRACKET] = [0x22, 0x5c, 0x7b, 0x5b, 0x7d, 0x5d]

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** JSON as its value, a form as an object of texts (lists, where a name comes twice). Throws problems only. */
export async function readBody(request: IncomingMessage, { type, limitBytes }: BodyOptions): Promise<unknown> {
  checkType(request, type)
  const text = decode(await readBytes(request, limitBytes))
  return type === 'application/json' ? parseJson(text) : parseForm(text)
}

/** 415 for a body that is sent as anything else. */
export function checkType(request: IncomingMessage, type: string | readonly string[], encodings: readonly string[] = []): void {
  const types = [type].flat()
  const sent = typeOf(request)
  const encoding = encodingOf(request)
  const isOther = !types.includes(ANY_TYPE) && !types.includes(sent)
  if (isOther || encoding !== 'identity' && !encodings.includes(encoding)) {
    const what = isOther ? `as ${types.join(' or ')}, not ${sent || 'without a content-type'}` : `${['uncompressed', ...encodings].join(' or ')}, not as ${encoding}`
    const headers = { accept: types.join(', '), ...!isOther && { 'accept-encoding': ['identity', ...encodings].join(', ') } }
    throw new Problem(415, 'unsupported_media_type', `send the body ${what}`, { headers })
  }
}

/** Without its parameters; empty where there is none. */
export function typeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/** The content coding; `identity`, where nothing is said. */
export function encodingOf(request: IncomingMessage): string {
  return request.headers['content-encoding']?.trim().toLowerCase() || 'identity'
}

/** Of all bodies that are being read: a crowd of large ones must not cost more memory than a board has. */
const BODIES_BYTES = 16 * 2 ** 20
const BUSY_SECONDS = 1
let underWayBytes = 0

/** All bytes of a body. Throws `busy` while others fill the memory that there is for bodies. */
export function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): Problem => new Problem(413, 'too_large', `the body is larger than the ${limitBytes} bytes this call takes`)
    const tooMany = (): Problem => busy(`bodies of ${BODIES_BYTES} bytes are being read, as many as may be at once`, BUSY_SECONDS)
    const hungUp = (): Problem => new Problem(400, 'bad_request', 'the caller hung up while its body was read')
    // Nothing is heard any more of one who was gone before it is read.
    if (request.destroyed) return reject(hungUp())
    const announcedBytes = Number(request.headers['content-length'] ?? 0)
    if (announcedBytes > limitBytes) return reject(tooLarge())
    // One alone is always taken.
    if (underWayBytes > 0 && underWayBytes + announcedBytes > BODIES_BYTES) return reject(tooMany())
    let reservedBytes = announcedBytes
    underWayBytes += reservedBytes
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes > limitBytes) return settle(() => reject(tooLarge()))
      if (sizeBytes <= reservedBytes) return
      underWayBytes += sizeBytes - reservedBytes
      reservedBytes = sizeBytes
      if (underWayBytes > BODIES_BYTES && underWayBytes > reservedBytes) settle(() => reject(tooMany()))
    }
    const onEnd = (): void => settle(() => resolve(Buffer.concat(chunks, sizeBytes)))
    const onClose = (): void => settle(() => reject(hungUp()))
    const settle = (act: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      underWayBytes -= reservedBytes
      act()
    }
    // A connection that breaks also says 'close'; its 'error' only needs a listener.
    request.on('error', () => undefined).on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Problem(400, 'bad_encoding', 'the body is not UTF-8', { cause })
  }
}

function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw new Problem(400, 'too_deep', `the JSON is nested more than ${MAX_DEPTH} levels deep`)
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new Problem(400, 'bad_json', `the body is not JSON: ${reason}`, { cause })
  }
}

/** Looked at before it is parsed: JavaScript writes JSON by recursion, and whoever keeps it has to write it. */
function isTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      // To the end of the string; no further when it has none.
      do at = text.indexOf('"', at + 1)
      while (at > 0 && isEscaped(text, at))
      if (at < 0) return false
    } else if (code === BRACE || code === BRACKET) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === END_BRACE || code === END_BRACKET) depth--
  }
  return false
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}

function parseForm(text: string): Record<string, string | string[]> {
  const fields = new URLSearchParams(text)
  return Object.fromEntries([...new Set(fields.keys())].map((name) => {
    const values = fields.getAll(name)
    return [name, values.length > 1 ? values : values[0] ?? '']
  }))
}

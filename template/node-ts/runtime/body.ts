/** A request's body in memory, for handlers that want it whole. */
import type { Call } from './call.ts'

/** Whether a body may follow, judged by the headers as they came: cheaper than the parsed ones. */
export function hasBody(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return true
    if (name.length === 14 && name.toLowerCase() === 'content-length') return rawHeaders[i + 1] !== '0'
  }
  return false
}

/** The bytes, `too large`, or `undefined` when the caller went away. */
export function readBody(call: Call, limitBytes: number, done: (body: Buffer | 'too large' | undefined) => void): void {
  const { request } = call
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limitBytes) return done('too large')
  const chunks: Buffer[] = []
  let size = 0
  const settle = (body: Buffer | 'too large' | undefined): void => {
    request.off('data', onData).off('end', onEnd).off('close', onClose)
    done(body)
  }
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk)
    size += chunk.length
    if (size > limitBytes) settle('too large')
  }
  const onEnd = (): void => settle(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size))
  const onClose = (): void => settle(undefined)
  // A connection that breaks also says 'close'; its 'error' only needs a listener.
  request.on('error', () => undefined).on('data', onData).on('end', onEnd).on('close', onClose)
}

/** JSON as a value, text and forms as a string, anything else as it is. Throws `SyntaxError` for bad JSON. */
export function parseBody(bytes: Buffer, contentType: string | undefined): unknown {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(bytes.toString())
  if (type.startsWith('text/') || type === 'application/x-www-form-urlencoded') return bytes.toString()
  return bytes
}

/** A key `__proto__` is dropped: merging it into another object would change that object's prototype. */
function parseJson(text: string): unknown {
  if (text === '') return undefined
  return /__proto__|\\u00/.test(text) ? JSON.parse(text, withoutProto) : JSON.parse(text)
}

function withoutProto(key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value
}

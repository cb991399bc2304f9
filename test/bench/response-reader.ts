/**
 * Reads HTTP/1.1 answers off a keep-alive connection, one at a time: by Content-Length, chunked, without a body, or up
 * to the end of the connection. Anything that breaks the grammar throws: a wrong answer must never count as a good one.
 */
const HEAD_LIMIT_BYTES = 64 * 1024
/** How much of a refusal's body is kept to tell what it was. */
const TEXT_LIMIT_BYTES = 200

export type Answer = {
  readonly status: number
  /** The status line and the headers as they came. */
  readonly head: string
  readonly bodyBytes: number
  /** The start of the body of an answer that is not 2xx, `''` for the others. */
  readonly text: string
  readonly isLast: boolean
}

export type ResponseReader = {
  /** Takes the next bytes; answers once a whole answer is there. More bytes than that throw. */
  push(chunk: Buffer): Answer | undefined
  /** The connection's end: an answer when its end was what ended the body. */
  end(): Answer | undefined
  /** Whether a part of an answer has come. */
  isInside(): boolean
}

type State = 'head' | 'length' | 'close' | 'size' | 'data' | 'data-end' | 'trailers'

export function createResponseReader(method: string): ResponseReader {
  let state: State = 'head'
  let rest: Buffer | undefined
  let status = 0
  let head = ''
  let remainingBytes = 0
  let bodyBytes = 0
  let text = ''
  let isLast = false

  const readHead = (): State | undefined => {
    const line = /^HTTP\/1\.[01] (\d{3}) /.exec(head)
    if (line === null) throw new Error(`not a status line: ${JSON.stringify(head.slice(0, 60))}`)
    status = Number(line[1])
    bodyBytes = 0
    text = ''
    isLast = /\r\nconnection: *close/i.test(head)
    if (status < 200) return 'head'
    const lengths = head.match(/\r\ncontent-length:[^\r]*/gi) ?? []
    const isChunked = /\r\ntransfer-encoding: *chunked/i.test(head)
    if (lengths.length > 1 || (isChunked && lengths.length > 0)) throw new Error('an answer of two lengths')
    if (method === 'HEAD' || status === 204 || status === 304) return undefined
    if (isChunked) return 'size'
    if (lengths[0] === undefined) {
      isLast = true
      return 'close'
    }
    const value = lengths[0].slice(lengths[0].indexOf(':') + 1).trim()
    if (!/^\d+$/.test(value)) throw new Error(`not a length: ${value}`)
    remainingBytes = Number(value)
    return remainingBytes === 0 ? undefined : 'length'
  }

  const take = (data: Buffer, at: number, size: number): number => {
    bodyBytes += size
    if ((status < 200 || status > 299) && text.length < TEXT_LIMIT_BYTES) {
      text += data.toString('latin1', at, at + Math.min(size, TEXT_LIMIT_BYTES - text.length))
    }
    return at + size
  }

  const finish = (): Answer => {
    state = 'head'
    return { status, head, bodyBytes, text, isLast }
  }

  /** The end of the line that starts at `at`, or -1 after putting the bytes aside. */
  const lineEnd = (data: Buffer, at: number, mark: string): number => {
    const end = data.indexOf(mark, at, 'latin1')
    if (end >= 0) return end
    if (data.length - at > HEAD_LIMIT_BYTES) throw new Error('an endless line')
    rest = data.subarray(at)
    return -1
  }

  /** Goes on at `at`; answers the place after the answer, or -1 when more bytes are needed. */
  const parse = (data: Buffer, start: number): number => {
    let at = start
    for (;;) {
      if (state === 'head') {
        const end = lineEnd(data, at, '\r\n\r\n')
        if (end < 0) return -1
        head = data.toString('latin1', at, end)
        at = end + 4
        const next = readHead()
        if (next === undefined) return at
        state = next
      } else if (state === 'length' || state === 'data' || state === 'close') {
        const size = state === 'close' ? data.length - at : Math.min(remainingBytes, data.length - at)
        at = take(data, at, size)
        remainingBytes -= size
        if (state === 'close' || remainingBytes > 0) return -1
        if (state === 'length') return at
        state = 'data-end'
      } else {
        const end = lineEnd(data, at, '\r\n')
        if (end < 0) return -1
        const line = data.toString('latin1', at, end)
        at = end + 2
        if (state === 'data-end') {
          if (line !== '') throw new Error('a chunk longer than it said')
          state = 'size'
        } else if (state === 'trailers') {
          if (line === '') return at
        } else {
          if (!/^[0-9a-f]+(;.*)?$/i.test(line)) throw new Error(`not a chunk size: ${line.slice(0, 40)}`)
          remainingBytes = parseInt(line, 16)
          state = remainingBytes === 0 ? 'trailers' : 'data'
        }
      }
    }
  }

  return {
    push(chunk) {
      const data = rest === undefined ? chunk : Buffer.concat([rest, chunk])
      rest = undefined
      const at = parse(data, 0)
      if (at < 0) return undefined
      if (at < data.length) throw new Error(`${data.length - at} bytes after the answer`)
      return finish()
    },
    end: () => state === 'close' ? finish() : undefined,
    isInside: () => state !== 'head' || rest !== undefined,
  }
}

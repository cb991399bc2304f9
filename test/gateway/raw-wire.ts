/** Bytes to and from a gateway without any client in between: whatever is asked goes out, whatever comes is kept. */
import { connect, type Socket } from 'node:net'
import { eventually } from '../kit.ts'

export type WireAnswer = {
  readonly status: number
  /** Names in lower case; a header that came twice is joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes as latin1. */
  readonly body: string
  /** Whether its end was seen. */
  readonly isWhole: boolean
}

export type Wire = AsyncDisposable & {
  readonly socket: Socket
  write(bytes: string): void
  /** Everything that came, as latin1. */
  text(): string
  /** What came, taken apart. */
  answers(): WireAnswer[]
  /** Whether the other side has ended or cut the connection. */
  isClosed(): boolean
  /** Waits until so many answers are whole. */
  whole(count: number, timeoutMs?: number): Promise<WireAnswer[]>
  closed(timeoutMs?: number): Promise<WireAnswer[]>
}

/** `method` tells which answers have no body; one that stays half-open keeps its side when the gateway has ended. */
export async function openWire(port: number, options: { readonly isHalfOpen?: boolean; readonly method?: string } = {}): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: options.isHalfOpen ?? false })
  let all = ''
  let isClosed = false
  socket.on('data', (chunk: Buffer) => { all += chunk.toString('latin1') })
  socket.on('error', () => { isClosed = true })
  socket.on('end', () => { isClosed = true })
  socket.on('close', () => { isClosed = true })
  await new Promise<void>((resolve, reject) => { socket.once('connect', resolve).once('error', reject) })
  const answers = (): WireAnswer[] => parseAnswers(all, isClosed, options.method === 'HEAD')
  return {
    socket,
    write: (bytes) => { socket.write(bytes, 'latin1') },
    text: () => all,
    answers,
    isClosed: () => isClosed,
    async whole(count, timeoutMs) {
      await eventually(`${count} whole answers`, () => answers().filter(({ isWhole }) => isWhole).length >= count, timeoutMs)
      return answers()
    },
    async closed(timeoutMs) {
      await eventually('the gateway closes the connection', () => isClosed, timeoutMs)
      return answers()
    },
    async [Symbol.asyncDispose]() { socket.destroy() },
  }
}

/** One connection, these bytes, and what came until the gateway closed it. */
export async function exchange(port: number, bytes: string, timeoutMs?: number): Promise<WireAnswer[]> {
  await using wire = await openWire(port)
  wire.write(bytes)
  return await wire.closed(timeoutMs)
}

export function parseAnswers(text: string, isClosed: boolean, isHead = false): WireAnswer[] {
  const answers: WireAnswer[] = []
  for (let rest = text; rest !== '';) {
    const headEnd = rest.indexOf('\r\n\r\n')
    const match = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n/.exec(rest)
    if (match === null || headEnd < 0) {
      answers.push({ status: match === null ? 0 : Number(match[1]), headers: {}, body: rest, isWhole: false })
      break
    }
    const status = Number(match[1])
    const headers = parseHeaders(rest.slice(match[0].length, headEnd))
    const { body, isWhole, length } = parseBody(rest.slice(headEnd + 4), status, headers, isClosed, isHead)
    answers.push({ status, headers, body, isWhole })
    rest = rest.slice(headEnd + 4 + length)
  }
  return answers
}

function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of text.split('\r\n').filter(Boolean)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value
  }
  return headers
}

type Body = { readonly body: string; readonly isWhole: boolean; readonly length: number }

function parseBody(text: string, status: number, headers: Readonly<Record<string, string>>, isClosed: boolean, isHead: boolean): Body {
  if (status < 200 || status === 204 || status === 304 || isHead) return { body: '', isWhole: true, length: 0 }
  const declared = headers['content-length']
  if (declared !== undefined) {
    const body = text.slice(0, Number(declared))
    return { body, isWhole: body.length === Number(declared), length: body.length }
  }
  if (headers['transfer-encoding'] !== 'chunked') return { body: text, isWhole: isClosed, length: text.length }
  let body = ''
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (lineEnd < 0 || !(size >= 0) || text.length < end + 2) return { body, isWhole: false, length: text.length }
    if (size === 0) return { body, isWhole: true, length: end + 2 }
    body += text.slice(lineEnd + 2, end)
    at = end + 2
  }
}

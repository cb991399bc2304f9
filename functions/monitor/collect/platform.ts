/** The platform's own API, behind its user and password. */
import type { IncomingMessage } from 'node:http'

const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

export type Platform = {
  /** Throws for any answer but 200, with its status as `status`. */
  text(path: string): Promise<string>
  json(path: string): Promise<unknown>
  /** Line by line until the other side ends it or `signal` fires. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<string>
}

export type PlatformDeps = {
  /** `http://gateway:8080` */
  readonly url: string
  /** `user:password`; `undefined` where nobody is asked for them. */
  readonly login: string | undefined
}

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 16 * 2 ** 20
/** A line of a log that is longer is cut; the platform itself cuts them at 16 KiB. */
const MAX_LINE_LENGTH = 256 * 1024
/** Finds out that the other side is gone, on a connection where nobody says anything for hours. */
const KEEP_ALIVE_MS = 15_000
const MAX_ERROR_LENGTH = 200

export class PlatformError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.name = 'PlatformError'
    this.status = status
  }
}

export function createPlatform({ url, login }: PlatformDeps): Platform {
  const { request: send } = url.startsWith('https:') ? https : http
  const headers = login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }

  const open = (path: string, signal: AbortSignal): Promise<IncomingMessage> => new Promise((resolve, reject) => {
    const request = send(`${url}${path}`, { headers, signal })
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
    request.on('response', resolve)
    request.on('error', reject)
    request.end()
  })
  const need = async (answer: IncomingMessage, path: string): Promise<void> => {
    if (answer.statusCode === 200) return
    const words = (await textOf(answer)).trim().slice(0, MAX_ERROR_LENGTH)
    throw new PlatformError(answer.statusCode ?? 0, `${path.split('?', 1)[0]}: ${answer.statusCode} ${words}`)
  }
  const text = async (path: string): Promise<string> => {
    const answer = await open(path, AbortSignal.timeout(TIMEOUT_MS))
    await need(answer, path)
    return textOf(answer)
  }

  return {
    text,
    json: async (path) => JSON.parse(await text(path)),
    async *lines(path, signal) {
      const answer = await open(path, signal)
      await need(answer, path)
      answer.setEncoding('utf8')
      let rest = ''
      for await (const chunk of answer) {
        const parts = (rest + String(chunk)).split('\n')
        rest = (parts.pop() ?? '').slice(0, MAX_LINE_LENGTH)
        yield* parts
      }
    },
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer) {
    if (!Buffer.isBuffer(chunk)) continue
    sizeBytes += chunk.length
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Everything but calls of functions goes to the control process, over a socket of this machine. */
import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { BrambleError } from '../../lib/errors.ts'
import { refuse } from '../call.ts'
import { REQUESTS_SOCKET } from './messages.ts'

/** What belongs to one connection alone. Source: RFC 9110 section 7.6.1. */
const ofTheConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'expect', 'te'])
/** Connections kept for the next request. */
const MAX_FREE = 4

export type Relay = { readonly handle: (req: IncomingMessage, res: ServerResponse) => void; close(): void }

export function createRelay(folder: string): Relay {
  const socketPath = join(folder, REQUESTS_SOCKET)
  const agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_FREE })

  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const upstream = request({
      socketPath, agent, method: req.method ?? 'GET', path: req.url ?? '/', headers: passedOn(req.rawHeaders),
    })
    upstream.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, passedOn(answer.rawHeaders))
      res.flushHeaders()
      answer.on('error', () => res.destroy())
      answer.pipe(res)
    })
    upstream.on('error', (cause) => {
      refuse(req, res, new BrambleError('UNAVAILABLE', 'the control process is away; functions answer meanwhile, try this again in a moment', { cause }))
    })
    res.on('close', () => { if (!res.writableFinished) upstream.destroy() })
    req.pipe(upstream)
  }
  return { handle, close: () => agent.destroy() }
}

/** Flat lists: a name, then its value. */
function passedOn(headers: readonly string[]): string[] {
  return headers.filter((_, index) => !ofTheConnection.has((headers[index & ~1] ?? '').toLowerCase()))
}

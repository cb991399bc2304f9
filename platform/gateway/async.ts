/** `/async-function/NAME[.NS][/rest]`: takes the whole request, has it made durable, and answers 202. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BrambleError } from '../lib/errors.ts'
import type { FunctionRef } from '../openfaas/types.ts'
import type { AsyncCalls } from '../queue/queue.ts'
import { refuse } from './call.ts'
import { readRequestHead } from './headers.ts'
import { parseFunctionPath } from './path.ts'

export type AsyncOptions = {
  readonly calls: AsyncCalls
  /** By `NAME` or `NAME.NAMESPACE` as it stands in a path; `undefined` when it is not deployed. */
  readonly find: (name: string) => FunctionRef | undefined
  readonly servedBy: string
}

const PREFIX = '/async-function/'
const methods = new Set(['POST', 'PUT', 'PATCH'])
/** Bodies that are coming in at one time: those of a thousand callers fit, those of a flood do not. */
const MAX_RECEIVING_BYTES = 64 * 2 ** 20

/** Time limits of the body are the server's (`read_timeout`). */
export function createAsync({ calls, find, servedBy }: AsyncOptions): (req: IncomingMessage, res: ServerResponse) => void {
  let receivingBytes = 0

  const receive = (req: IncomingMessage): Promise<Buffer> => new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const fail = (error: Error): void => {
      chunks.length = 0
      reject(error)
    }
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      receivingBytes += chunk.length
      if (bytes > calls.bodyLimitBytes) fail(tooLarge(calls.bodyLimitBytes))
      else if (receivingBytes > MAX_RECEIVING_BYTES) fail(new BrambleError('BUSY', 'too many asynchronous calls are coming in at once; send it again in a moment'))
      else chunks.push(chunk)
    })
    req.on('end', () => resolve(Buffer.concat(chunks)))
    req.on('error', fail)
    req.on('close', () => {
      receivingBytes -= bytes
      fail(new Error('the caller hung up'))
    })
  })

  const accept = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const url = `/function/${(req.url ?? '').slice(PREFIX.length)}`
    const head = readRequestHead(req.rawHeaders, `${req.socket.remoteAddress}:${req.socket.remotePort}`)
    if (req.method === 'DELETE') {
      await calls.cancel(decodeCallId(url.slice('/function/'.length)))
      res.writeHead(202).end()
      return
    }
    if (!methods.has(req.method ?? '')) throw new BrambleError('METHOD_NOT_ALLOWED', 'only POST is allowed')
    const path = parseFunctionPath(url)
    const ref = path && find(path.name)
    if (path === undefined || ref === undefined) throw new BrambleError('NOT_FOUND', `error finding function ${path?.name ?? ''}: it is not deployed`)
    if (head.contentLength !== undefined && head.contentLength > calls.bodyLimitBytes) throw tooLarge(calls.bodyLimitBytes)
    const startTime = `${Date.now()}000000`
    const body = await receive(req)
    const { callId } = await calls.accept({
      ref, callId: head.callId ?? randomUUID(), method: req.method ?? 'POST', path: path.rest === '/' ? '' : path.rest, headers: head.headers, body,
    })
    res.writeHead(202, { 'X-Call-Id': callId, 'X-Start-Time': startTime, 'X-Served-By': servedBy, 'content-length': 0 }).end()
  }

  return (req, res) => { accept(req, res).catch((error: unknown) => { refuse(req, res, error) }) }
}

function decodeCallId(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new BrambleError('INVALID', `"${text.slice(0, 80)}" is no call id: a percent sign stands for two hexadecimal digits`, { cause })
  }
}

function tooLarge(limitBytes: number): BrambleError {
  return new BrambleError('TOO_LARGE', `the request body is larger than ${limitBytes} bytes (async_body_limit)`)
}

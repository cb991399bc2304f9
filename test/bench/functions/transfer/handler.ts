/** Counts the bytes it is sent; sends as many as `?bytes=` asks for. Neither is ever gathered. */
import type { ListenerHandler } from '@bramble/runtime'
import type { IncomingMessage, ServerResponse } from 'node:http'

const chunk = Buffer.alloc(64 * 1024, 'x')

const handler: ListenerHandler = {
  listener: (request, response) => request.method === 'PUT' ? take(request, response) : give(request, response),
}

export default handler

function take(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0
  request.on('data', (part: Buffer) => { bytes += part.length })
  request.on('end', () => response.end(String(bytes)))
}

function give(request: IncomingMessage, response: ServerResponse): void {
  let left = Number(new URL(request.url ?? '', 'http://localhost').searchParams.get('bytes'))
  response.writeHead(200, { 'Content-Length': left, 'Content-Type': 'application/octet-stream' })
  const send = (): void => {
    while (left > 0) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!response.write(part)) {
        response.once('drain', send)
        return
      }
    }
    response.end()
  }
  send()
}

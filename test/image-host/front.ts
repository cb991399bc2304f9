/** An HTTP server before a registry that answers some requests itself, as proxies and storage services do. */
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'

export type Front = AsyncDisposable & {
  readonly name: string
  /** What came in, in order. */
  readonly requests: readonly { readonly method: string; readonly path: string; readonly authorization: string | undefined }[]
}

/** `answer` says whether it has answered; what it has not goes to the registry on `targetPort`. */
export async function startFront(targetPort: number, answer: (request: IncomingMessage, response: ServerResponse) => boolean): Promise<Front> {
  const requests: { method: string; path: string; authorization: string | undefined }[] = []
  const server = createServer((incoming, outgoing) => {
    requests.push({ method: incoming.method ?? '', path: incoming.url ?? '', authorization: incoming.headers.authorization })
    if (answer(incoming, outgoing)) return void incoming.resume()
    const passed = request({ host: '127.0.0.1', port: targetPort, method: incoming.method, path: incoming.url, headers: incoming.headers })
    passed.on('response', (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, reply.rawHeaders)
      reply.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    requests,
    name: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

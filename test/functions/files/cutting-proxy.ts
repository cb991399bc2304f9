/** A line to a server that is cut after so many bytes towards it, as often as it is told to. */
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'

export type CuttingProxy = AsyncDisposable & {
  readonly url: string
  /** Bytes that went towards the server so far. */
  sentBytes(): number
  /** After so many more bytes nothing goes on any more; `then` is awaited, and the line is cut. */
  cutAfter(bytes: number, then?: () => Promise<void>): void
}

export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  let sentBytes = 0
  let cut: { readonly atBytes: number; readonly then: () => Promise<void> } | undefined
  /** Who comes while the line is being cut waits: a gateway would not let anybody to a service that is just starting either. */
  let isUp: Promise<unknown> = Promise.resolve()
  const server = createServer((client) => {
    client.on('error', () => undefined)
    void isUp.then(() => { if (!client.destroyed) join(client) })
  }).listen(0, '127.0.0.1')
  const join = (client: Socket): void => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    upstream.pipe(client)
    client.on('data', (chunk: Buffer) => {
      if (cut !== undefined && sentBytes + chunk.length > cut.atBytes) {
        const { atBytes, then } = cut
        cut = undefined
        client.pause()
        upstream.write(chunk.subarray(0, atBytes - sentBytes))
        sentBytes = atBytes
        isUp = then().catch((error: unknown) => {
          // The test fails by it: what it waited for has not come.
          queueMicrotask(() => { throw error })
        }).finally(() => { for (const socket of sockets) socket.destroy() })
        return
      }
      sentBytes += chunk.length
      if (!upstream.write(chunk)) {
        client.pause()
        upstream.once('drain', () => client.resume())
      }
    })
  }
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    sentBytes: () => sentBytes,
    cutAfter(bytes, then = async () => undefined) { cut = { atBytes: sentBytes + bytes, then } },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

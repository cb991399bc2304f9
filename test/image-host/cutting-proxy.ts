/** A TCP proxy between a client and a registry that cuts connections where a test says. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type CuttingProxy = AsyncDisposable & {
  /** `127.0.0.1:PORT` */
  readonly name: string
  readonly cuts: () => number
  /** Bytes from the client that went on to the registry. */
  readonly passedBytes: () => number
}

/**
 * Asked with each piece a client sends, before it goes on: how many bytes of it still pass before the line is cut, or
 * `undefined` for all and no cut.
 */
export type Cutter = (piece: Buffer, passedBytes: number) => number | undefined

export async function startCuttingProxy(targetPort: number, cutter: Cutter): Promise<CuttingProxy> {
  let cuts = 0
  let passed = 0
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const registry = connect(targetPort, '127.0.0.1')
    for (const socket of [client, registry]) {
      open.add(socket)
      socket.setNoDelay(true).on('error', () => undefined).on('close', () => {
        open.delete(socket)
        client.destroy()
        registry.destroy()
      })
    }
    registry.pipe(client)
    client.on('data', (piece: Buffer) => {
      const rest = cutter(piece, passed)
      const going = rest === undefined ? piece : piece.subarray(0, rest)
      passed += going.length
      if (rest !== undefined) cuts++
      if (going.length > 0 && !registry.write(going)) client.pause()
      if (rest !== undefined) {
        client.resetAndDestroy()
        // What was on its way arrives; then the registry sees the end of the line.
        registry.end()
      }
    })
    registry.on('drain', () => client.resume())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    name: `127.0.0.1:${address.port}`,
    cuts: () => cuts,
    passedBytes: () => passed,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

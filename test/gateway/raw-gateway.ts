/** The real gateway over two functions: `echo`, which answers what it got, and `raw`, which says what a test dictates. */
import * as assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import type { DataPathLimits } from '../../platform/gateway/data-path.ts'
import type { Gateway, GatewayOptions } from '../../platform/gateway/gateway.ts'
import { createTestGateway } from '../contract/replay.ts'
import type { Received, Scenario } from '../contract/scenario.ts'
import { createSeededProvider, type SeededProvider } from '../contract/seeded-provider.ts'
import { openWire } from './raw-wire.ts'

/** What `raw` does with a request: `head` is its first line and headers, the number counts its requests from 1. */
export type Script = (socket: Socket, head: string, number: number) => void

export type RawGateway = AsyncDisposable & {
  readonly gateway: Gateway
  readonly provider: SeededProvider
  readonly port: number
  readonly url: string
  /** What `echo` has received. */
  readonly received: readonly Received[]
  /** All bytes that `raw` has received, as latin1. */
  rawBytes(): string
  /** Connections that `raw` has open. */
  rawOpen(): number
  /** Gives `raw` a new replica, of which nothing bad is known, and forgets what the functions have received. */
  renewRaw(): void
}

export type RawOptions = {
  readonly more?: Partial<GatewayOptions>
  readonly auth?: Scenario['auth']
  readonly limits?: Partial<DataPathLimits>
  readonly script?: Script
}

export async function startRawGateway(options: RawOptions = {}): Promise<RawGateway> {
  const provider = createSeededProvider({
    functions: [
      { deployment: { service: 'echo', image: 'test/echo' } },
      { deployment: { service: 'raw', image: 'test/raw' } },
    ],
  })
  const gateway = createTestGateway(provider, options.auth ?? 'basic', options.limits, undefined, options.more)
  const sockets = new Set<Socket>()
  let bytes = ''
  let count = 0
  const server = createServer((socket) => {
    let unread = ''
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
      unread += chunk.toString('latin1')
      for (let end = unread.indexOf('\r\n\r\n'); end >= 0; end = unread.indexOf('\r\n\r\n')) {
        const head = unread.slice(0, end)
        unread = unread.slice(end + 4)
        options.script?.(socket, head, ++count)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  await provider.start()
  let replicas = 0
  const renewRaw = (): void => {
    bytes = ''
    provider.received.length = 0
    provider.setEndpoints('raw.openfaas-fn', [{ instance: `raw-${++replicas}`, host: '127.0.0.1', port: address.port }])
  }
  renewRaw()
  await gateway.start()
  const url = gateway.url()
  return {
    gateway, provider, url, renewRaw,
    port: Number(new URL(url).port),
    received: provider.received,
    rawBytes: () => bytes,
    rawOpen: () => sockets.size,
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await provider.stop()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A script that says these bytes to each request; `then` is what it does with the connection afterwards. */
export function says(bytes: string, then: 'keep' | 'end' | 'reset' = 'keep'): Script {
  return (socket) => {
    socket.write(bytes, 'latin1')
    if (then === 'end') socket.end()
    if (then === 'reset') socket.resetAndDestroy()
  }
}

/** A call that nothing is wrong with is answered, and the function got exactly it. */
export async function assertStillWorks({ port, received }: RawGateway): Promise<void> {
  const alive = (): Received[] => received.filter(({ path }) => path === '/alive?a=1')
  const before = alive().length
  await using wire = await openWire(port)
  wire.write('POST /function/echo/alive?a=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nalive')
  const answers = await wire.whole(1)
  assert.deepEqual(answers.map(({ status, body }) => [status, body]), [[200, 'POST /alive?a=1\nalive']])
  assert.deepEqual(alive().slice(before), [{ function: 'echo.openfaas-fn', method: 'POST', path: '/alive?a=1', body: 'alive' }])
}

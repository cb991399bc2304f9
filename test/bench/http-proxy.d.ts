/** As much of http-proxy as the bench uses: the package has no types of its own. */
declare module 'http-proxy' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http'
  import type { Duplex } from 'node:stream'

  type Proxy = {
    web(request: IncomingMessage, response: ServerResponse): void
    ws(request: IncomingMessage, socket: Duplex, head: Buffer): void
    on(
      event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse | Duplex) => void,
    ): void
  }
  const httpProxy: { createProxyServer(options: { target: string | undefined; agent: Agent }): Proxy }
  export default httpProxy
}

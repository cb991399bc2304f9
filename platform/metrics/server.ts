/** Metrics and health on a port of their own: first up, last down, no credentials. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listenError } from '../lib/listen-error.ts'
import type { Part } from '../lib/parts.ts'
import { EXPOSITION_TYPE, expose, type Snapshot } from './exposition.ts'

export type MetricsServerOptions = {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly snapshot: () => Snapshot
  readonly isReady: () => boolean
}

export type MetricsServer = Part & { url(): string }

const HEADERS_TIMEOUT_MS = 5_000

export function createMetricsServer(options: MetricsServerOptions): MetricsServer {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS }, (req, res) => {
    const path = req.url?.split('?')[0]
    if (path === '/metrics') {
      res.setHeader('content-type', EXPOSITION_TYPE)
      res.end(expose(options.snapshot()))
    } else if (path === '/healthz') {
      const isReady = options.isReady()
      res.writeHead(isReady ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' }).end(isReady ? 'OK' : 'not ready')
    } else {
      res.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('there are /metrics and /healthz here')
    }
  })
  const { host, port } = options
  return {
    url: () => `http://${host}:${(server.address() as AddressInfo | null)?.port ?? port}`,
    start: () => new Promise((resolve, reject) => {
      if (server.listening) return resolve()
      server.once('error', (cause) => reject(listenError(cause, { host, port, setting: 'metrics_port' })))
      server.listen(port, host, resolve)
    }),
    stop: () => new Promise((resolve) => {
      if (!server.listening) return resolve()
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

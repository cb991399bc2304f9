/** Stands where the gateway stands: functions by name, and what each call of them was. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type SeenCall = {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly atMs: number
}

export type FunctionsServer = AsyncDisposable & {
  readonly url: string
  readonly port: number
  readonly seen: SeenCall[]
  /** Running now, and the most at a time, by name. */
  readonly running: Map<string, number>
  readonly peak: Map<string, number>
  /** Calls whose connection was cut by the caller. */
  readonly cut: SeenCall[]
}

export type Handler = (call: SeenCall, res: ServerResponse) => void | Promise<void>

/** A function without a handler answers 404 as the gateway does. */
export async function serveFunctions(functions: Readonly<Record<string, Handler>>): Promise<FunctionsServer> {
  const seen: SeenCall[] = []
  const cut: SeenCall[] = []
  const running = new Map<string, number>()
  const peak = new Map<string, number>()
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const [, name = '', path = ''] = /^\/function\/([^/.?]+)\.openfaas-fn(.*)$/.exec(req.url ?? '') ?? [undefined, 'callback', req.url]
      const call = { name, path, method: req.method ?? '', headers: req.headers, body: Buffer.concat(chunks).toString(), atMs: performance.now() }
      seen.push(call)
      running.set(name, (running.get(name) ?? 0) + 1)
      peak.set(name, Math.max(peak.get(name) ?? 0, running.get(name) ?? 0))
      res.on('close', () => {
        running.set(name, (running.get(name) ?? 0) - 1)
        if (!res.writableFinished) cut.push(call)
      })
      const handler = functions[name]
      if (handler === undefined) res.writeHead(404, { 'x-openfaas-internal': 'proxy' }).end('not deployed')
      else void handler(call, res)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`, port, seen, running, peak, cut,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Answers after so long. */
export function taking(ms: number, status = 200): Handler {
  return (_call, res) => {
    const timer = setTimeout(() => { res.writeHead(status).end('done') }, ms)
    res.on('close', () => clearTimeout(timer))
  }
}

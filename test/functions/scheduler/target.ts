/** Where jobs go: a server that answers as the path of the call says, and remembers each call from its beginning to its end. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'

export type TargetCall = {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly run: string
  readonly job: string
  readonly fence: number
  readonly beganMs: number
  endedMs: number | undefined
  /** The caller hung up. */
  isCut: boolean
}

export type TargetServer = AsyncDisposable & {
  readonly url: string
  readonly calls: TargetCall[]
  /** Those to this path. */
  to(path: string): readonly TargetCall[]
  /** Lets go what `?wait=hold` holds, now and from now on. */
  release(): void
}

/**
 * `?status=503` is the answer, `?statuses=503,200` one after the other, `?wait=200` milliseconds before it (`hold`: until `release`), `?text=…` its body (`?length=…` one so long),
 * `?after=…` its Retry-After, `?to=…` where it redirects to.
 */
export async function startTarget(): Promise<TargetServer> {
  const calls: TargetCall[] = []
  const held: (() => void)[] = []
  let isReleased = false
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://target')
    const header = (name: string): string => String(request.headers[name] ?? '')
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { body += chunk }).on('end', () => {
      const path = url.pathname.replace(/^\/function\/[^/]+/, '')
      const call: TargetCall = {
        method: request.method ?? '', path, headers: request.headers, body, run: header('x-scheduler-run'), job: header('x-scheduler-job'),
        fence: Number(header('x-scheduler-fence')), beganMs: performance.now(), endedMs: undefined, isCut: false,
      }
      const before = calls.filter((one) => one.path === path).length
      calls.push(call)
      const end = (): void => {
        call.endedMs ??= performance.now()
        const statuses = url.searchParams.get('statuses')?.split(',')
        const status = Number(statuses?.[Math.min(before, statuses.length - 1)] ?? url.searchParams.get('status') ?? 200)
        const after = url.searchParams.get('after')
        const to = url.searchParams.get('to')
        response.writeHead(status, { ...(after !== null && { 'retry-after': after }), ...(to !== null && { location: to }) }).end(url.searchParams.get('text') ?? ('r'.repeat(Number(url.searchParams.get('length') ?? 0)) || 'done'))
      }
      let timer: NodeJS.Timeout | undefined
      response.on('close', () => {
        clearTimeout(timer)
        if (response.writableFinished) return
        call.isCut = true
        call.endedMs ??= performance.now()
      })
      const wait = url.searchParams.get('wait')
      if (wait === 'hold' && !isReleased) held.push(end)
      else if (wait !== null && wait !== 'hold') timer = setTimeout(end, Number(wait))
      else end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    to: (path) => calls.filter((call) => call.path === path),
    release() {
      isReleased = true
      for (const end of held.splice(0)) end()
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

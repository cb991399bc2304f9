/**
 * The queue behind a bare HTTP server: `POST /` accepts a call as `/async-function` does. `POST /dispatch?URL` begins to
 * call the function there; `GET /state` tells what waits and what it takes. Prints its port.
 *
 *   queue-server.ts DATA_DIR
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { createLog } from '../../platform/lib/log.ts'
import { defaultRetryPolicy } from '../../platform/openfaas/retry-policy.ts'
import { createAsyncCalls } from '../../platform/queue/accept.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import { createDispatch } from '../../platform/queue/dispatch.ts'
import { createEmbeddedQueue } from '../../platform/queue/embedded/queue.ts'
import { createFunctionCall } from '../../platform/queue/function-call.ts'
import { announce } from './announce.ts'

export type QueueState = { readonly pending: number; readonly rssBytes: number }

/** More than any load of the bench brings. */
const MAX_MESSAGES = 2_000_000
const MAX_BYTES = 4 * 2 ** 30
const ref = { name: 'small', namespace: 'openfaas-fn' }

let functionUrl = ''
const log = createLog({ level: 'warn', write: (line) => { process.stderr.write(line) } })
const queue = createEmbeddedQueue({ dataDir: process.argv[2] ?? '', log, limits: { maxMessages: MAX_MESSAGES, maxBytes: MAX_BYTES } })
const callbacks = createCallbackSender({ allowedHosts: [], timeoutMs: 1_000 })
const dispatch = createDispatch({
  queue, callbacks, log, call: createFunctionCall({ gatewayUrl: () => functionUrl }).call,
  policyOf: async () => defaultRetryPolicy, shutdownTimeoutMs: 1_000, callbackBodyBytes: 0,
})
const calls = createAsyncCalls({ queue, dispatch, callbacks, bodyLimitBytes: 2 ** 20 })
let waiting = 0
await queue.start()
queue.watch(({ due, delayed, leased }) => { waiting = due + delayed + leased })

announce(createServer((req, res) => {
  if (req.url === '/state') return void res.end(JSON.stringify({ pending: waiting, rssBytes: process.memoryUsage.rss() } satisfies QueueState))
  if (req.url?.startsWith('/dispatch?')) {
    functionUrl = req.url.slice('/dispatch?'.length)
    return void dispatch.start().then(() => res.end())
  }
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  req.on('end', () => {
    const callId = randomUUID()
    const headers = ['Content-Type', 'application/octet-stream', 'X-Forwarded-For', '127.0.0.1']
    calls.accept({ ref, callId, method: 'POST', path: '', headers, body: Buffer.concat(chunks) })
      .then(() => res.writeHead(202, { 'X-Call-Id': callId }).end(), (error: unknown) => res.writeHead(503).end(String(error)))
  })
}))

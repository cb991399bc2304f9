/**
 * A process that enqueues and dispatches until it is killed. Writes each call that was acknowledged into a file, which a
 * killed process leaves to the kernel: what stands there was durable.
 *
 *   kill-child.ts DATA_DIR ACKNOWLEDGED_FILE FUNCTION_URL FIRST COUNT
 */
import { openSync, writeSync } from 'node:fs'
import { createLog } from '../../platform/lib/log.ts'
import { defaultRetryPolicy } from '../../platform/openfaas/retry-policy.ts'
import { createCallbackSender } from '../../platform/queue/callback.ts'
import { createDispatch } from '../../platform/queue/dispatch.ts'
import { createEmbeddedQueue } from '../../platform/queue/embedded/queue.ts'
import { createFunctionCall } from '../../platform/queue/function-call.ts'

/** Callers at the same time. */
const CALLERS = 20
const FUNCTIONS = 4

const [dataDir = '', file = '', url = '', first = '0', count = '0'] = process.argv.slice(2)
const acknowledged = openSync(file, 'a')
const log = createLog({ level: 'warn', write: (line) => { writeSync(2, line) } })
const queue = createEmbeddedQueue({ dataDir, log })
const { call } = createFunctionCall({ gatewayUrl: () => url })
const dispatch = createDispatch({
  queue, call, log, callbacks: createCallbackSender({ allowedHosts: [], timeoutMs: 1_000 }), policyOf: async () => defaultRetryPolicy,
  shutdownTimeoutMs: 1_000, callbackBodyBytes: 0,
})
await queue.start()
await dispatch.start()

let next = Number(first)
const end = next + Number(count)
await Promise.all(Array.from({ length: CALLERS }, async () => {
  while (next < end) {
    const number = next++
    const head = { kind: 'call', ref: { name: `f${number % FUNCTIONS}`, namespace: 'openfaas-fn' }, callId: String(number), method: 'POST', path: '', headers: [] } as const
    await queue.enqueue({ head, body: Buffer.alloc(1_000, 'x') })
    writeSync(acknowledged, `${number}\n`)
  }
}))
writeSync(acknowledged, 'all\n')
// Dispatching goes on until it is killed: the thread of the queue keeps the process.

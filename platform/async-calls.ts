/** The queue and what works it off, put together. */
import type { Config } from './config.ts'
import type { QueueAdmin } from './gateway/system/queue.ts'
import type { Log } from './lib/log.ts'
import type { Part } from './lib/parts.ts'
import type { QueueSeries } from './metrics/exposition.ts'
import { serviceName } from './openfaas/names.ts'
import { defaultRetryPolicy, readRetryPolicy } from './openfaas/retry-policy.ts'
import type { FunctionRef } from './openfaas/types.ts'
import type { Provider } from './provider/provider.ts'
import { createAsyncCalls } from './queue/accept.ts'
import { createCallbackSender } from './queue/callback.ts'
import { createDispatch } from './queue/dispatch.ts'
import { createEmbeddedQueue, defaultQueueLimits } from './queue/embedded/queue.ts'
import { createFunctionCall } from './queue/function-call.ts'
import type { AsyncCalls } from './queue/queue.ts'

export type Asynchronous = {
  /** Up before the gateway, down after it: what it has taken is kept. */
  readonly queue: Part
  /** Calls through the gateway: up after it, down before. */
  readonly dispatch: Part
  readonly calls: AsyncCalls
  readonly admin: QueueAdmin
  series(): QueueSeries[]
  /** Calls of a function that are due or under way. */
  backlog(ref: FunctionRef): number
}

export type AsynchronousDeps = {
  readonly dataDir: string
  readonly provider: Provider
  readonly config: Config
  readonly gatewayUrl: () => string
  readonly log: Log
}

/** The gateway as functions and callers of OpenFaaS know it, on a laptop too. */
const OWN_NAMES = ['gateway:8080', 'gateway.openfaas:8080', 'gateway.openfaas.svc:8080', 'gateway.openfaas.svc.cluster.local:8080']
/** The largest answer that a callback takes along; a larger one goes without its body. */
const CALLBACK_BODY_BYTES = 4 * 2 ** 20

export function createAsynchronous({ dataDir, provider, config, gatewayUrl, log }: AsynchronousDeps): Asynchronous {
  const queue = createEmbeddedQueue({
    dataDir, log,
    limits: { ...defaultQueueLimits, maxMessages: config.queue_max_messages, maxBytes: config.queue_max_bytes },
  })
  const callbacks = createCallbackSender({
    allowedHosts: config.async_callback_hosts, gateway: { hosts: OWN_NAMES, url: gatewayUrl }, timeoutMs: config.upstream_timeout,
  })
  const { call, close } = createFunctionCall({ gatewayUrl })
  const dispatch = createDispatch({
    queue, call, callbacks, log,
    policyOf: async (ref) => {
      const status = await provider.get(ref)
      return status === undefined ? defaultRetryPolicy : readRetryPolicy(status.spec.annotations)
    },
    shutdownTimeoutMs: config.shutdown_timeout,
    callbackBodyBytes: CALLBACK_BODY_BYTES,
  })
  const calls = createAsyncCalls({ queue, dispatch, callbacks, bodyLimitBytes: config.async_body_limit })
  const submitted = new Map<string, number>()
  return {
    queue,
    dispatch: {
      start: () => dispatch.start(),
      async stop() {
        await dispatch.stop()
        close()
      },
    },
    calls: {
      ...calls,
      async accept(request) {
        const accepted = await calls.accept(request)
        const name = serviceName(request.ref)
        if (!accepted.isDuplicate) submitted.set(name, (submitted.get(name) ?? 0) + 1)
        return accepted
      },
    },
    series: () => dispatch.snapshot().map(({ ref, pending, inFlight, dead, processed }) => {
      const name = serviceName(ref)
      return { name, pending, inFlight, dead, processed, submitted: submitted.get(name) ?? 0 }
    }),
    admin: { dead: queue.dead, counts: () => dispatch.snapshot() },
    backlog: (ref) => dispatch.backlog(ref),
  }
}

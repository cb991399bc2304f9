/** The monitor: settings and secrets in, parts together. */
import { type ListenerHandler, log, secret } from '@bramble/runtime'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { createLogCollector } from './collect/log-collector.ts'
import { createPlatform } from './collect/platform.ts'
import { logRoutes } from './http/log-routes.ts'
import { pushRoutes } from './http/push-routes.ts'
import { createFileLogStore } from './logs/file-log-store.ts'
import type { LogStore } from './logs/log-store.ts'
import { createMemoryLogStore } from './logs/memory-log-store.ts'
import { logMetrics } from './monitor-metrics.ts'
import { createMonitorService } from './monitor-service.ts'
import { readSettings, type Settings } from './settings.ts'
import { createTroubleLog } from './trouble-log.ts'

/** A tail becomes a block at this size, or at this age: large enough to compress well, small enough to search. */
const BLOCK_BYTES = 512 * 1024
const BLOCK_MS = 300_000

/** The promise of a module, as the runtime takes it: health answers while the store is read. */
export default start()

async function start(): Promise<{ readonly default: ListenerHandler }> {
  const settings = readSettings(process.env)
  const token = serviceToken()
  const nowMs = (): number => Date.now()
  const store = createStore(settings, nowMs)
  await store.open()
  const platform = createPlatform({ url: settings.gatewayUrl, login: loginIn() })
  const collector = createLogCollector({ platform, store, log, nowMs, linesPerSecond: settings.linesPerSecond, burstLines: settings.burstLines })
  addMetrics(() => logMetrics(store.stats(), collector.stats()))
  collector.start()
  return {
    default: createMonitorService({
      serviceToken: token,
      routes: [
        ...logRoutes({ store, queryMs: settings.queryMs }),
        ...pushRoutes({ store, maxPushBytes: settings.maxPushBytes, retentionMs: settings.logRetentionMs, nowMs }),
      ],
    }),
  }
}

function createStore({ folder, memoryBytes, maxLogBytes, logRetentionMs, syncMs }: Settings, nowMs: () => number): LogStore {
  if (folder === '') {
    log.warn('there is no volume (annotation bramble/volume): lines are kept in memory, and a restart forgets them')
    return createMemoryLogStore({ maxBytes: memoryBytes })
  }
  return createFileLogStore({
    folder: `${folder}/logs`, nowMs, onTrouble: createTroubleLog(log, 'lines cannot be brought to the disk'),
    limits: { blockBytes: BLOCK_BYTES, blockMs: BLOCK_MS, syncMs, retentionMs: logRetentionMs, maxBytes: maxLogBytes },
  })
}

/** A gateway that asks for none needs none. */
function loginIn(): string | undefined {
  try {
    return secret('gateway-login').trim()
  } catch {
    log.warn('the secret gateway-login (user:password of the gateway) is missing: where the gateway asks for it, nothing is collected')
    return undefined
  }
}

/** The data service: SQL over HTTP, durable before it answers. */
// First: in the thread of a database nothing of what follows begins.
import './engine/database-thread.ts'
import { log, secret, type ListenerHandler } from '@bramble/runtime'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { dataMetrics } from './data-metrics.ts'
import { createDataService } from './data-service.ts'
import { createEngine, type EngineSettings } from './engine/engine.ts'
import { readSettings } from './settings.ts'

/** The promise of a module, as the runtime takes it: health answers while the databases are looked for. */
export default start()

async function start(): Promise<{ readonly default: ListenerHandler }> {
  const { engine: settings, limits, maxRequestBytes } = readSettings(process.env)
  const engine = createEngine({ settings: withAuthorization(settings), log })
  await engine.start()
  addMetrics(() => dataMetrics(engine))
  return { default: createDataService({ engine, limits, maxRequestBytes, serviceToken: serviceToken() }) }
}

/** Pre-signed addresses need none; other servers do. */
function withAuthorization(settings: EngineSettings): EngineSettings {
  if (settings.copies === undefined) return settings
  try {
    return { ...settings, copies: { ...settings.copies, authorization: secret('copy-authorization') } }
  } catch {
    return settings
  }
}

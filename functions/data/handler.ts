/** The data service: SQL over HTTP, durable before it answers. */
// First: in the thread of a database nothing of what follows begins.
import './engine/database-thread.ts'
import { log, type ListenerHandler } from '@bramble/runtime'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { dataMetrics } from './data-metrics.ts'
import { createDataService } from './data-service.ts'
import { createEngine } from './engine/engine.ts'
import { readSettings } from './settings.ts'

/** The promise of a module, as the runtime takes it: health answers while the databases are looked for. */
export default start()

async function start(): Promise<{ readonly default: ListenerHandler }> {
  const { engine: settings, limits, maxRequestBytes } = readSettings(process.env)
  const engine = createEngine({ settings, log })
  await engine.start()
  addMetrics(() => dataMetrics(engine))
  return { default: createDataService({ engine, limits, maxRequestBytes, serviceToken: serviceToken() }) }
}

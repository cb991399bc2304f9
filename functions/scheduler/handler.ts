/** The scheduler service: settings and secrets in, parts together, and the worker begins. */
import { type ListenerHandler, log, secret } from '@bramble/runtime'
import { createDataClient } from '@bramble/runtime/service/data-client'
import type { Database } from '@bramble/runtime/service/database'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { schedulerMetrics } from './scheduler-metrics.ts'
import { createSchedulerService } from './scheduler-service.ts'
import { readSettings } from './settings.ts'
import { tidy } from './store/housekeeping.ts'
import { newId } from './store/new-id.ts'
import { createRoom } from './store/room.ts'
import { migrations } from './store/schema.ts'
import { createAllowList } from './target/allow-list.ts'
import { createCallTarget } from './work/call-target.ts'
import { webhookKey } from './work/webhook-signature.ts'
import { createWorker } from './work/worker.ts'
import { createWorkerCounts } from './work/worker-counts.ts'

/** How long calls may go on after the signal to stop: less than the runtime's grace, in which the process still serves. */
const STOP_GRACE_MS = 1000

const { settings, problems } = readSettings(process.env)
if (problems.length > 0) throw new Error(problems.join('; '))

const token = serviceToken()
const key = optionalKey()
/** Callers of the API wait for each other; the worker, whose lease must not end meanwhile, has connections of its own. */
const [db, workerDb] = [connect(), connect()]
const room = createRoom(workerDb, (letters) => log.warn('the database is nearly full: the oldest dead letters were removed', { letters }))
const allowList = createAllowList(settings)
const counts = createWorkerCounts()
const worker = createWorker({
  db: workerDb, room, counts, log, owner: newId(), leaseMs: settings.leaseMs, lookEveryMs: settings.lookEveryMs, maxRunning: settings.maxRunning,
  attempts: { callTarget: createCallTarget({ gatewayUrl: settings.gatewayUrl, allowList, serviceToken: token }), webhookKey: key },
})
addMetrics(() => schedulerMetrics(counts, worker.running()))
worker.start()
const tidying = setInterval(() => {
  tidy(db, settings).then(room.make).catch((error: unknown) => log.warn('what is over could not be removed', { error }))
}, settings.tidyEveryMs)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    clearInterval(tidying)
    void worker.stop(STOP_GRACE_MS)
  })
}

export default createSchedulerService({ db, room, allowList, worker, settings, hasWebhookKey: key !== undefined }, token) satisfies ListenerHandler

function connect(): Database {
  return createDataClient({ url: settings.dataUrl, database: settings.database, token, migrations })
}

/** Without it nobody can be told of completions. */
function optionalKey(): Buffer | undefined {
  let text: string
  try {
    text = secret('webhook-key')
  } catch {
    return undefined
  }
  return webhookKey(text)
}

/** The gateway in one process: the API and the data path, with nothing but function calls between them and the provider. */
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import { urlOf } from '../lib/url.ts'
import { cpuSeconds } from '../metrics/cpu-seconds.ts'
import type { Snapshot } from '../metrics/exposition.ts'
import { loadOf, type FunctionLoad } from '../metrics/function-load.ts'
import { totalOf } from '../metrics/invocations.ts'
import type { Alert } from '../openfaas/alerts.ts'
import type { Provider } from '../provider/provider.ts'
import type { AsyncCalls } from '../queue/queue.ts'
import type { Credentials } from './auth.ts'
import { createDataPath, type DataPathLimits } from './data-path.ts'
import type { Waker } from './parking.ts'
import { createPlaces } from './places.ts'
import { createApi } from './server.ts'
import type { Schedules } from './system/cron.ts'
import type { Version } from './system/info.ts'
import type { QueueAdmin } from './system/queue.ts'

export type GatewayOptions = {
  readonly provider: Provider
  /** `undefined` leaves `/system` open. */
  readonly credentials: Credentials | undefined
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly limits: DataPathLimits
  readonly version: Version
  readonly log: Log
  /** Absent while nothing can wake a function. */
  readonly waker?: Waker
  /** Absent where nothing is queued. */
  readonly asyncCalls?: AsyncCalls
  readonly queue?: QueueAdmin
  /** Acts upon one alert of `/system/alert`. */
  readonly alert?: (alert: Alert) => Promise<void>
  /** Absent where no schedules are run. */
  readonly schedules?: Schedules
  /** What `/system/metrics` shows of the platform itself. */
  readonly metrics?: () => string
}

export type Gateway = Part & {
  url(): string
  isReady(): boolean
  snapshot(): Snapshot
  /** What each function has to do, as it is at this moment. */
  loads(): FunctionLoad[]
}

export function createGateway(options: GatewayOptions): Gateway {
  const { provider, credentials, host, port, limits, version, log } = options
  const servedBy = `bramble/${version.release}`
  const place = createPlaces()
  let unwatch: (() => void) | undefined
  let isReady = false

  const api = createApi({
    provider, credentials, version, log, metrics: options.metrics, alert: options.alert, asyncCalls: options.asyncCalls, queue: options.queue, find: (name) => dataPath.table.find(name)?.ref, schedules: options.schedules,
    readTimeoutMs: limits.readTimeoutMs,
    isReady: () => isReady,
    invocationCount: (service) => {
      const target = dataPath.table.find(service)
      return target === undefined ? 0 : totalOf(target.series)
    },
  })
  const dataPath = createDataPath({
    host, port, limits, log, servedBy: () => servedBy, waker: options.waker,
    onDrained: (instance) => provider.drained(instance),
    onAnnounced: (secret, host) => provider.announced?.(secret, host),
    other: api.handle,
  })
  const { table } = dataPath

  return {
    url: () => urlOf(host, dataPath.port()),
    isReady: () => isReady,
    snapshot: () => ({
      functions: [...table.targets()].map((target) => target.series),
      services: [...table.targets()].map((target) => ({
        name: target.series.name, replicas: target.wantedReplicas, ready: target.replicas.length,
      })),
      system: api.series(),
      process: {
        cpuSeconds: cpuSeconds(), residentBytes: process.memoryUsage.rss(),
        startedAtSeconds: performance.timeOrigin / 1000,
      },
    }),
    loads() {
      const nowMs = performance.now()
      return Array.from(table.targets(), ({ series, waiting }) => loadOf(series, waiting.size, nowMs))
    },
    async start() {
      if (isReady) return
      await api.start()
      unwatch = provider.watch((change) => table.apply(place(change)))
      await dataPath.start()
      isReady = true
    },
    async stop() {
      isReady = false
      await dataPath.stop()
      unwatch?.()
      unwatch = undefined
      await api.stop()
    },
  }
}

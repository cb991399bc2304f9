/** The monitor: settings and secrets in, parts together. */
import { type ListenerHandler, log, secret } from '@bramble/runtime'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { createDelivery } from './alerts/delivery.ts'
import { createWatch } from './alerts/watch.ts'
import { createStateFile } from './alerts/watch-state.ts'
import { createLogCollector } from './collect/log-collector.ts'
import { createPlatform } from './collect/platform.ts'
import { alertRoutes } from './http/alert-routes.ts'
import { logRoutes } from './http/log-routes.ts'
import { metricRoutes } from './http/metric-routes.ts'
import { pushRoutes } from './http/push-routes.ts'
import { createFileLogStore } from './logs/file-log-store.ts'
import type { LogStore } from './logs/log-store.ts'
import { createMemoryLogStore } from './logs/memory-log-store.ts'
import { createMetricStore, type MetricStore } from './metrics/metric-store.ts'
import { BOARD_JOB, createNodes } from './metrics/node-figures.ts'
import { createOwnNode } from './metrics/own-node.ts'
import { queryAt } from './metrics/query.ts'
import { createRemoteWrite } from './metrics/remote-write.ts'
import { createScraper } from './metrics/scraper.ts'
import { labelsIn, nameIn } from './metrics/series.ts'
import { logMetrics, metricMetrics } from './monitor-metrics.ts'
import { createMonitorService } from './monitor-service.ts'
import { readSettings, type Settings } from './settings.ts'
import { createTroubleLog } from './trouble-log.ts'

/** A tail becomes a block at this size, or at this age: large enough to compress well, small enough to search. */
const BLOCK_BYTES = 512 * 1024
const LINES_BLOCK_MS = 300_000
/** Of lines, and of samples; a few hundred bytes of memory each. At a block every five minutes 113 days of lines. */
const MAX_BLOCKS = 32_768
/** Moments hang together for so long. */
const SAMPLES_BLOCK_MS = 3_600_000
/** There are some every quarter of a minute, and a card wears out: the last minute of them is not worth it. */
const SAMPLES_SYNC_MS = 60_000

/** The promise of a module, as the runtime takes it: health answers while the stores are read. */
export default start()

async function start(): Promise<{ readonly default: ListenerHandler }> {
  const settings = readSettings(process.env)
  const token = serviceToken()
  const nowMs = (): number => Date.now()
  const { folder, queryMs } = settings
  if (folder === '') log.warn('there is no volume (annotation bramble/volume): all is kept in memory, and a restart forgets it')

  const lines = createLineStore(settings, nowMs)
  const samples = createSampleStore(settings, nowMs)
  const nodes = createNodes(nowMs)
  const platform = createPlatform({ url: settings.gatewayUrl, login: optionalSecret('gateway-login') })
  const collector = createLogCollector({ platform, store: lines, log, nowMs, linesPerSecond: settings.linesPerSecond, burstLines: settings.burstLines })
  const watch = createWatch({
    file: createStateFile(folder), nowMs, log, times: { groupMs: settings.alertGroupMs, repeatMs: settings.alertRepeatMs },
    evaluate: (expression, atMs) => queryAt(samples, expression, atMs, AbortSignal.timeout(queryMs)),
    delivery: createDelivery({ webhook: settings.alertWebhook, mail: mailOf(settings) }),
  })
  const remote = settings.remoteWriteUrl === '' ? undefined
    : createRemoteWrite({ url: settings.remoteWriteUrl, authorization: optionalSecret('remote-write-authorization'), log })
  const scraper = createScraper({
    platform, gatewayMetrics: () => readGatewayMetrics(settings, platform), functions: collector.functions, store: samples, nodes,
    own: createOwnNode(folder), ownName: settings.nodeName, everyMs: settings.scrapeMs, maxSeries: settings.maxSeries, nowMs,
    onTrouble: createTroubleLog(log, 'samples cannot be kept'),
    async onTick(timeMs, all) {
      remote?.push(timeMs, all)
      await watch.look(timeMs)
    },
  })

  await Promise.all([lines.open(), samples.open(), watch.open()])
  // Boards that have told of themselves before: those that do not come again are lost, not forgotten.
  const { timeMs, samples: last } = samples.last()
  for (const { key } of last) if (nameIn(key) === 'bramble_node_up' && labelsIn(key)['job'] === BOARD_JOB) nodes.restore(labelsIn(key)['node'] ?? '', timeMs)
  addMetrics(() => [
    ...logMetrics(lines.stats(), collector.stats()),
    ...metricMetrics({ metrics: samples.stats(), scraper: scraper.stats(), watch: watch.stats(), remote: remote?.stats() }),
  ])
  collector.start()
  scraper.start()
  return {
    default: createMonitorService({
      serviceToken: token,
      routes: [
        ...logRoutes({ store: lines, queryMs }),
        ...pushRoutes({ store: lines, maxPushBytes: settings.maxPushBytes, retentionMs: settings.logRetentionMs, nowMs }),
        ...metricRoutes({ store: samples, nodes, types: scraper.types, queryMs, nowMs }),
        ...alertRoutes({ watch, nowMs }),
      ],
    }),
  }
}

function createLineStore({ folder, memoryBytes, maxLogBytes, logRetentionMs, syncMs }: Settings, nowMs: () => number): LogStore {
  if (folder === '') return createMemoryLogStore({ maxBytes: memoryBytes })
  return createFileLogStore({
    folder: `${folder}/logs`, nowMs, onTrouble: createTroubleLog(log, 'lines cannot be brought to the disk'),
    limits: { blockBytes: BLOCK_BYTES, blockMs: LINES_BLOCK_MS, syncMs, retentionMs: logRetentionMs, maxBytes: maxLogBytes, maxBlocks: MAX_BLOCKS },
  })
}

function createSampleStore({ folder, memoryBytes, maxMetricBytes, metricRetentionMs }: Settings, nowMs: () => number): MetricStore {
  return createMetricStore({
    folder: folder === '' ? '' : `${folder}/metrics`, memoryBytes, nowMs, onTrouble: createTroubleLog(log, 'samples cannot be brought to the disk'),
    limits: { blockBytes: BLOCK_BYTES, blockMs: SAMPLES_BLOCK_MS, syncMs: SAMPLES_SYNC_MS, retentionMs: metricRetentionMs, maxBytes: maxMetricBytes, maxBlocks: MAX_BLOCKS },
  })
}

/** Below the platform's API, or where the operator says: stock OpenFaaS has them on a port of their own. */
async function readGatewayMetrics({ metricsUrl }: Settings, platform: ReturnType<typeof createPlatform>): Promise<string> {
  if (metricsUrl === '') return platform.text('/system/metrics')
  const { pathname, origin } = new URL(metricsUrl)
  return createPlatform({ url: origin, login: undefined }).text(pathname)
}

function mailOf({ alertMailTo: to, mailFrom: from, smtpHost: host, smtpPort: port, smtpSecurity: security, smtpUser: user }: Settings) {
  return to === '' ? undefined : { to, from, host, port, security, user, password: user === '' ? '' : secret('smtp-password') }
}

/** A gateway that asks for no password needs none. */
function optionalSecret(name: string): string | undefined {
  try {
    return secret(name).trim()
  } catch {
    if (name === 'gateway-login') log.warn('the secret gateway-login (user:password of the gateway) is missing: where the gateway asks for it, nothing is collected')
    return undefined
  }
}

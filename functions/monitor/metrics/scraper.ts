/** Every so often all samples of the moment: of the gateway, of every function's replicas, of the boards. */
import { type Platform, PlatformError } from '../collect/platform.ts'
import { parseExposition } from './exposition.ts'
import { fairShare } from './fair-share.ts'
import type { MetricStore } from './metric-store.ts'
import type { Nodes } from './node-figures.ts'
import type { OwnNode } from './own-node.ts'
import { keyOf, type Labels, type Sample } from './series.ts'

export type Scraper = {
  start(): void
  stop(): Promise<void>
  types(): ReadonlyMap<string, string>
  stats(): { readonly series: number; readonly dropped: number; readonly failures: number; readonly seconds: number }
}

export type ScraperDeps = {
  readonly platform: Platform
  /** Where the gateway's metrics are when they are not below its API: a path of it or a whole URL. */
  readonly gatewayMetrics: () => Promise<string>
  /** `NAME.NAMESPACE` */
  readonly functions: () => readonly string[]
  readonly store: MetricStore
  readonly nodes: Nodes
  readonly own: OwnNode
  readonly ownName: string
  readonly everyMs: number
  readonly maxSeries: number
  readonly nowMs: () => number
  /** After each moment, also one that could not be kept. */
  readonly onTick: (timeMs: number, samples: readonly Sample[]) => Promise<void>
  readonly onTrouble: (error: unknown) => void
}

/** Functions that are asked at once: each answer is held in memory. */
const AT_ONCE = 6
const MAX_TYPES = 5000
/** A platform that had no way to its replicas' metrics may only have been updated just then. */
const ASK_AGAIN_MS = 300_000

export function createScraper(deps: ScraperDeps): Scraper {
  const { platform, store, nodes, own, everyMs, maxSeries, nowMs } = deps
  const types = new Map<string, string>()
  const stopped = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let [series, dropped, failures, seconds] = [0, 0, 0, 0]
  /** A platform without a way to its replicas' metrics (stock OpenFaaS) is not asked in every round. */
  let askFunctionsFromMs = -Infinity

  const take = (text: string, labels: Labels): readonly Sample[] => {
    const parsed = parseExposition(text, labels)
    for (const [name, type] of parsed.types) if (types.size < MAX_TYPES) types.set(name, type)
    return parsed.samples
  }
  const target = async (labels: Labels, read: () => Promise<readonly Sample[]>): Promise<readonly Sample[]> => {
    try {
      const samples = await read()
      return [{ key: keyOf('up', labels), value: 1 }, ...samples]
    } catch (error) {
      failures++
      if (error instanceof PlatformError && error.status === 404 && labels['job'] === 'function') return []
      return [{ key: keyOf('up', labels), value: 0 }]
    }
  }

  const scrape = async (): Promise<void> => {
    const startedMs = nowMs()
    const asked = startedMs < askFunctionsFromMs ? [] : [...deps.functions()]
    const ofFunctions: (readonly Sample[])[] = []
    const gateway = target({ job: 'gateway' }, async () => take(await deps.gatewayMetrics(), {}))
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let service = asked.shift(); service !== undefined && startedMs >= askFunctionsFromMs; service = asked.shift()) {
        const [name = '', namespace = ''] = service.split('.')
        ofFunctions.push(await target({ job: 'function', function_name: service }, async () => take(
          await platform.text(`/system/metrics?name=${encodeURIComponent(name)}&namespace=${encodeURIComponent(namespace)}`).catch((error: unknown) => {
            if (error instanceof PlatformError && error.status === 404 && /nothing is served|404 page/.test(error.message)) askFunctionsFromMs = startedMs + ASK_AGAIN_MS
            throw error
          }), { function_name: service })))
      }
    }))
    const ofGateway = await gateway
    nodes.put(deps.ownName, await own.read())
    // What most rules look at comes first, and of the rest a function with too many takes no place of others.
    const first = [...nodes.samples(), ...ofGateway]
    const samples = [...first.slice(0, maxSeries), ...fairShare(ofFunctions, Math.max(0, maxSeries - first.length))]
    dropped += first.length + ofFunctions.reduce((sum, { length }) => sum + length, 0) - samples.length
    series = samples.length
    // What the disk does not take is looked at all the same: a rule may be about that.
    await store.append(startedMs, samples).catch(deps.onTrouble)
    seconds = (nowMs() - startedMs) / 1000
    await deps.onTick(startedMs, samples)
  }

  const run = (): void => {
    const begunMs = nowMs()
    running = scrape().catch(deps.onTrouble).finally(() => {
      if (!stopped.signal.aborted) timer = setTimeout(run, Math.max(0, begunMs + everyMs - nowMs()))
    })
  }
  return {
    start: run,
    async stop() {
      stopped.abort()
      clearTimeout(timer)
      await running
    },
    types: () => types,
    stats: () => ({ series, dropped, failures, seconds }),
  }
}

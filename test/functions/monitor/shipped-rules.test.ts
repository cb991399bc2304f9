/**
 * The rules that come with the monitor, in a small world of gateway, boards and databases whose metrics have the names that their own
 * sources give them: scraped, kept, evaluated and watched as in the service.
 */
import * as assert from 'node:assert/strict'
import { dataMetrics } from '../../../functions/data/data-metrics.ts'
import { shippedRules } from '../../../functions/monitor/alerts/rule.ts'
import { createWatch } from '../../../functions/monitor/alerts/watch.ts'
import { createStateFile } from '../../../functions/monitor/alerts/watch-state.ts'
import { writeExposition } from '../../../functions/monitor/metrics/exposition.ts'
import { createMetricStore } from '../../../functions/monitor/metrics/metric-store.ts'
import { createNodes, type NodeFigures } from '../../../functions/monitor/metrics/node-figures.ts'
import { queryAt } from '../../../functions/monitor/metrics/query.ts'
import { createScraper } from '../../../functions/monitor/metrics/scraper.ts'
import { keyOf } from '../../../functions/monitor/metrics/series.ts'
import { exposeNodes } from '../../../platform/gateway/system/node-metrics.ts'
import { expose, type ServiceGauge } from '../../../platform/metrics/exposition.ts'
import { createFunctionSeries, observe } from '../../../platform/metrics/invocations.ts'
import { mergeExpositions } from '../../../platform/metrics/merge.ts'
import type { NodeUsage } from '../../../platform/provider/provider.ts'
import { cases, test } from '../../kit.ts'

/** What is so at a second. */
type World = {
  readonly service: Omit<ServiceGauge, 'name'>
  /** That have ended since the start, by status. */
  readonly calls: Readonly<Record<number, number>>
  readonly isGatewayGone: boolean
  /** As the platform tells of it. */
  readonly worker: Omit<NodeUsage, 'name'>
  /** As it tells of itself, in each moment; `undefined`: not any more. */
  readonly board: NodeFigures | undefined
  readonly copyAgeSeconds: number | undefined
}
type Case = { readonly name: string; readonly world: (second: number) => Partial<World>; readonly fires?: readonly [rule: string, atSecond: number, summary: string] }

const GIB = 2 ** 30
const well = (second: number): World => ({
  service: { replicas: 2, ready: 2 }, calls: { 200: 100 + second }, isGatewayGone: false,
  worker: { isUp: true, diskTotalBytes: 10 * GIB, diskAvailableBytes: 5 * GIB },
  board: { disk_total_bytes: 30 * GIB, disk_available_bytes: 20 * GIB, temperature_celsius: 60, throttled: 0 },
  copyAgeSeconds: 60,
})

const STEP_SECONDS = 15
const LAST_SECOND = 720
const START_MS = Date.parse('2026-01-01')
const SHOP = 'shop.openfaas-fn'
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const noCounts = { queries: 0, transactions: 0, timeouts: 0, rebuilds: 0, syncs: 0, records: 0, writtenBytes: 0, snapshots: 0, copiedBytes: 0, failedCopies: 0 }
const database = {
  name: 'orders', state: 'open', problem: undefined, writesRefused: undefined, sizeBytes: 0, sizeLimitBytes: 0, record: 0, oldestRestorable: undefined, logBytes: 0,
  snapshotBytes: 0, waiting: 0,
} as const

/** `/system/metrics` of the gateway. */
function gatewayText({ service, calls, worker }: World): string {
  const series = createFunctionSeries(SHOP)
  for (const [code, count] of Object.entries(calls)) {
    observe(series, Number(code), 0.01)
    const one = series.byCode.get(Number(code))
    if (one !== undefined) one.count = count
  }
  return expose({ functions: [series], services: [{ name: SHOP, ...service }], system: [], process: { cpuSeconds: 1, residentBytes: 1, startedAtSeconds: 1 } })
    + exposeNodes([{ name: 'worker-1', ...worker }])
}

/** `/system/metrics?name=data` of the gateway. */
function dataText({ copyAgeSeconds }: World): string {
  const metrics = dataMetrics({ counts: () => noCounts, list: () => [{ ...database, copyAgeSeconds }] })
  const text = writeExposition(metrics.flatMap(({ name, samples }) => samples.map(({ labels = {}, value }) => ({ key: keyOf(name, labels), value }))), new Map())
  return mergeExpositions([{ labels: { function_name: 'data.openfaas-fn', instance: 'data-1' }, text }])
}

/** Each alert when it fired first. */
async function firingsIn(worldAt: Case['world']): Promise<readonly (readonly [string, number, string])[]> {
  let nowMs = START_MS
  const clock = (): number => nowMs
  const limits = { blockBytes: 2 ** 20, blockMs: 3_600_000, syncMs: 60_000, retentionMs: 86_400_000, maxBytes: 2 ** 24, maxBlocks: 100 }
  const onTrouble = (error: unknown): never => { throw error }
  const store = createMetricStore({ folder: '', limits, memoryBytes: 2 ** 24, nowMs: clock, onTrouble })
  const nodes = createNodes(clock)
  const watch = createWatch({
    file: createStateFile(''), delivery: { ways: [], send: async () => undefined }, times: { groupMs: 0, repeatMs: 86_400_000 }, nowMs: clock, log: quiet,
    evaluate: (expression, atMs) => queryAt(store, expression, atMs, AbortSignal.timeout(60_000)),
  })
  await store.open()
  await watch.open()
  const fired = new Map<string, readonly [string, number, string]>()
  for (let second = 0; second <= LAST_SECOND; second += STEP_SECONDS) {
    nowMs = START_MS + second * 1000
    const world = { ...well(second), ...worldAt(second) }
    if (world.board !== undefined) nodes.put('zero-1', world.board)
    await new Promise<void>((resolve, reject) => {
      const scraper = createScraper({
        platform: { text: async () => dataText(world), json: async () => undefined, async *lines() { yield '' } },
        gatewayMetrics: async () => {
          if (world.isGatewayGone) throw new Error('it does not answer')
          return gatewayText(world)
        },
        functions: () => ['data.openfaas-fn'], store, nodes, own: { read: async () => ({}) }, ownName: 'this-board', everyMs: 1e9, maxSeries: 1000, nowMs: clock,
        onTick: async (timeMs) => {
          await watch.look(timeMs)
          void Promise.resolve().then(() => scraper.stop()).then(resolve)
        },
        onTrouble: reject,
      })
      scraper.start()
    })
    for (const { key, rule, state, summary } of watch.alerts()) if (state === 'firing' && !fired.has(key)) fired.set(key, [rule, second, summary])
  }
  await watch.stop()
  await store.close()
  return [...fired.values()]
}

const table: readonly Case[] = [
  { name: 'nothing is told while all is well', world: () => ({}) },
  { name: 'a function without a ready replica', world: () => ({ service: { replicas: 2, ready: 0 } }), fires: ['function-down', 120, `no replica of ${SHOP} is ready`] },
  { name: 'not one that has one, nor one that is scaled to zero', world: (second) => ({ service: second < 360 ? { replicas: 2, ready: 1 } : { replicas: 0, ready: 0 } }) },
  { name: 'not one that is ready again in time', world: (second) => ({ service: { replicas: 2, ready: second % 120 === 0 ? 1 : 0 } }) },
  {
    name: 'calls that fail, whatever their code above 500',
    world: (second) => ({ calls: { 200: 100 + 94 * second, 500: 100 + second, 502: 100 + 2 * second, 504: 100 + 3 * second } }),
    fires: ['error-rate', 315, `${SHOP} fails more than one call of twenty: 0.0600 of all`],
  },
  {
    name: 'not a few of them, nor those that are their callers\' fault, nor those of long ago',
    world: (second) => ({ calls: { 200: 100 + 56 * second, 404: 40 * second, 500: 10_000 + 4 * second } }),
  },
  { name: 'a gateway that is gone', world: (second) => ({ isGatewayGone: second >= 60 }), fires: ['gateway-unreachable', 180, 'the gateway does not answer'] },
  { name: 'not one that is away for a minute', world: (second) => ({ isGatewayGone: second > 60 && second <= 120 }) },
  {
    name: 'a board that tells of itself no more', world: (second) => second > 0 ? { board: undefined } : {},
    fires: ['node-lost', 210, 'the board zero-1 does not tell of itself any more'],
  },
  { name: 'a node that the platform cannot ask', world: () => ({ worker: { isUp: false } }), fires: ['node-lost', 60, 'the board worker-1 does not tell of itself any more'] },
  { name: 'not one that comes back', world: (second) => ({ worker: { isUp: second % 60 === 0 } }) },
  {
    name: 'a disk that is nearly full', world: () => ({ board: { disk_total_bytes: 100 * GIB, disk_available_bytes: 9 * GIB } }),
    fires: ['disk-nearly-full', 300, 'the disk of zero-1 has only 0.0900 of its size left'],
  },
  {
    name: 'that of a node', world: () => ({ worker: { isUp: true, diskTotalBytes: 100 * GIB, diskAvailableBytes: 5 * GIB } }),
    fires: ['disk-nearly-full', 300, 'the disk of worker-1 has only 0.0500 of its size left'],
  },
  { name: 'not one with a tenth of it left', world: () => ({ board: { disk_total_bytes: 100 * GIB, disk_available_bytes: 11 * GIB } }) },
  { name: 'a board that is too hot', world: () => ({ board: { temperature_celsius: 80.5 } }), fires: ['board-too-hot', 120, 'zero-1 has 80.5 degrees Celsius'] },
  { name: 'not one that is warm', world: () => ({ board: { temperature_celsius: 80 } }) },
  {
    name: 'too little voltage, at once', world: (second) => ({ board: { throttled: second === 60 ? 0b101 : 0 } }),
    fires: ['under-voltage', 60, 'zero-1 gets too little voltage: its power supply or cable is too weak'],
  },
  { name: 'not one that had too little once, or is throttled for another reason', world: () => ({ board: { throttled: 0x7000e } }) },
  {
    name: 'a copy that is too old', world: (second) => ({ copyAgeSeconds: 21_601 + second }),
    fires: ['backup-too-old', 600, 'the last off-site copy of the database orders is 22201 s old'],
  },
  { name: 'not one that is six hours old, nor where none is to be kept', world: (second) => ({ copyAgeSeconds: second < 660 ? 21_600 : undefined }) },
]

cases('the rules that come with it tell of', table, async ({ world, fires }) => {
  assert.deepEqual(await firingsIn(world), fires === undefined ? [] : [fires])
})

test('each rule that comes with it is in the table', () => {
  assert.deepEqual(shippedRules.map(({ name }) => name).filter((name) => !table.some(({ fires }) => fires?.[0] === name)), [])
})

import * as assert from 'node:assert/strict'
import { PlatformError } from '../../../../functions/monitor/collect/platform.ts'
import { createMetricStore } from '../../../../functions/monitor/metrics/metric-store.ts'
import { createNodes } from '../../../../functions/monitor/metrics/node-figures.ts'
import { createScraper, type Scraper, type ScraperDeps } from '../../../../functions/monitor/metrics/scraper.ts'
import { nameIn, type Sample } from '../../../../functions/monitor/metrics/series.ts'
import { eventually, test } from '../../../kit.ts'

const limits = { blockBytes: 2 ** 20, blockMs: 3_600_000, syncMs: 1000, retentionMs: 86_400_000, maxBytes: 2 ** 30, maxBlocks: 1000 }

function scraperOf(text: (path: string) => Promise<string>, more: Partial<ScraperDeps> & Pick<ScraperDeps, 'functions'>): Scraper {
  const fail = (error: unknown): never => { throw error }
  return createScraper({
    platform: { text, json: async () => [], async *lines() { /* none */ } },
    gatewayMetrics: async () => 'gateway_service_count{function_name="a.n"} 1\n', store: createMetricStore({ folder: '', limits, memoryBytes: 2 ** 20, nowMs: Date.now, onTrouble: fail }),
    nodes: createNodes(Date.now), own: { read: async () => ({ disk_available_bytes: 1 }) }, ownName: 'pi', everyMs: 1, maxSeries: 10_000, nowMs: Date.now,
    onTick: async () => undefined, onTrouble: fail, ...more,
  })
}

test('a function with series without end takes the place of nobody: gateway, boards and other functions are kept', async () => {
  let kept: readonly Sample[] = []
  const text = async (path: string): Promise<string> => Array.from({ length: path.includes('noisy') ? 1000 : 5 }, (_, i) => `own{id="${i}"} 1`).join('\n')
  const scraper = scraperOf(text, { functions: () => ['noisy.n', 'quiet.n'], maxSeries: 100, everyMs: 3_600_000, onTick: async (_, samples) => { kept = samples } })
  scraper.start()
  await eventually('a moment is kept', () => kept.length > 0)
  await scraper.stop()
  const names = kept.map(({ key }) => nameIn(key))
  assert.equal(kept.length, 100)
  assert.deepEqual(['gateway_service_count', 'bramble_node_up', 'bramble_node_disk_available_bytes', 'up'].map((name) => names.filter((one) => one === name).length), [1, 1, 1, 3])
  assert.equal(kept.filter(({ key }) => key.startsWith('own') && key.includes('quiet.n')).length, 5)
  // Two of the gateway and two of the board are no functions'.
  assert.equal(scraper.stats().dropped, 1001 + 6 + 4 - 100)
})

test('a moment that the disk refuses is looked at all the same: a rule may be about the disk', async () => {
  const troubles: unknown[] = []
  let kept: readonly Sample[] = []
  const store = createMetricStore({ folder: '', limits, memoryBytes: 2 ** 20, nowMs: Date.now, onTrouble: () => undefined })
  const scraper = scraperOf(async () => 'own 1\n', {
    functions: () => [], store: { ...store, append: async () => { throw new Error('ENOSPC') } },
    onTick: async (_, samples) => { kept = samples }, onTrouble: (error) => troubles.push(error),
  })
  scraper.start()
  await eventually('it is looked at', () => kept.length > 0)
  await scraper.stop()
  assert.match(String(troubles[0]), /ENOSPC/)
})

test('a platform that serves no metrics of functions is asked again after some minutes: it may only have been updated', async () => {
  let [nowMs, asked, isThere, ticks] = [0, 0, false, 0]
  let kept: readonly Sample[] = []
  const text = async (): Promise<string> => {
    asked++
    if (!isThere) throw new PlatformError(404, '/system/metrics: 404 nothing is served at GET /system/metrics')
    return 'own 1\n'
  }
  const scraper = scraperOf(text, { functions: () => ['f.n'], nowMs: () => nowMs, onTick: async (_, samples) => { [kept, ticks] = [samples, ticks + 1] } })
  scraper.start()
  await eventually('some moments are kept', () => ticks > 3)
  assert.equal(asked, 1)
  isThere = true
  nowMs += 600_000
  await eventually('they are there', () => kept.some(({ key }) => nameIn(key) === 'own'))
  await scraper.stop()
})

import * as assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMetricStore, type MetricStore } from '../../../../functions/monitor/metrics/metric-store.ts'
import type { Sample } from '../../../../functions/monitor/metrics/series.ts'
import { applyTick, createTickEncoder, emptyState, type TickState } from '../../../../functions/monitor/metrics/ticks.ts'
import { cases, test } from '../../../kit.ts'
import { refuse } from '../refusing-disk.ts'

const signal = new AbortController().signal
const limits = { blockBytes: 3000, blockMs: 3_600_000, syncMs: 100, retentionMs: 10 * 86_400_000, maxBytes: 2 ** 30, maxBlocks: 10_000 }

/** Some go and come again, some are whole, some are not, one is none of both. */
function samplesAt(i: number): readonly Sample[] {
  return Array.from({ length: 12 }, (_, s): Sample => ({ key: `m${s % 3}{s="${s}"}`, value: s === 0 ? i * 7 : s === 1 ? Math.sin(i) : s === 2 ? Infinity : s === 3 ? -i : s < 8 ? s : Math.floor(i / s) + 2 ** 52 * (s % 2) }))
    .filter((_, s) => s !== 5 || i % 4 < 2)
}

const present = (state: TickState): readonly Sample[] => state.keys.flatMap((key, id) => state.present[id] ? [{ key, value: state.values[id] ?? NaN }] : [])
const sorted = (samples: readonly Sample[]): readonly Sample[] => samples.toSorted((a, b) => a.key < b.key ? -1 : 1)

test('moments come back exactly, and one where nothing changed is a few bytes', () => {
  const encoder = createTickEncoder()
  let state = emptyState()
  for (let i = 0; i < 200; i++) {
    const isFirst = i % 50 === 0
    if (isFirst) state = emptyState()
    applyTick(state, encoder.encode(1_700_000_000_000 + i * 15_000, samplesAt(i), isFirst))
    assert.deepEqual(sorted(present(state)), sorted(samplesAt(i)), `moment ${i}`)
    assert.equal(state.timeMs, 1_700_000_000_000 + i * 15_000)
  }
  assert.ok(encoder.encode(1_700_003_000_000, samplesAt(199), false).length < 12)
})

cases('what was kept is found again', [{ name: 'in memory', folder: '' }, { name: 'on the disk', folder: 'yes' }], async ({ folder }) => {
  const place = folder === '' ? '' : await mkdtemp(join(tmpdir(), 'bramble-samples-'))
  const open = async (): Promise<MetricStore> => {
    const store = createMetricStore({ folder: place, limits, memoryBytes: 2 ** 20, nowMs: Date.now, onTrouble: (error) => { throw error } })
    await store.open()
    return store
  }
  let store = await open()
  for (let i = 0; i < 300; i++) {
    await store.append(i * 1000, samplesAt(i))
    if (place !== '' && i === 150) {
      await store.close()
      store = await open()
      assert.deepEqual(sorted(store.last().samples), sorted(samplesAt(150)))
    }
  }
  const found = await store.select((key) => key === 'm0{s="0"}' || key === 'm2{s="5"}', 20_500, 250_000, signal)
  const whole = found.find(({ key }) => key === 'm0{s="0"}')
  assert.deepEqual(whole?.times, Array.from({ length: 230 }, (_, i) => (i + 21) * 1000))
  assert.deepEqual(whole?.values, Array.from({ length: 230 }, (_, i) => (i + 21) * 7))
  assert.deepEqual(found.find(({ key }) => key === 'm2{s="5"}')?.times, Array.from({ length: 230 }, (_, i) => i + 21).filter((i) => i % 4 < 2).map((i) => i * 1000))
  if (place !== '') assert.ok(store.stats().blocks > 1)
  await store.close()
  if (place !== '') await rm(place, { recursive: true })
})

test('a moment that the disk refused is in memory alone, and those after it are right, also as a block', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bramble-samples-'))
  const open = async (blockBytes: number): Promise<MetricStore> => {
    const store = createMetricStore({ folder, limits: { ...limits, blockBytes }, memoryBytes: 2 ** 20, nowMs: Date.now, onTrouble: (error) => { throw error } })
    await store.open()
    return store
  }
  const store = await open(2 ** 20)
  await store.append(1000, [{ key: 'disk', value: 100 }])
  {
    using _disk = await refuse('appendFile', () => true)
    await assert.rejects(store.append(2000, [{ key: 'disk', value: 5 }, { key: 'fresh', value: 7 }]), /ENOSPC/)
  }
  await store.append(3000, [{ key: 'third', value: 3 }, { key: 'disk', value: 6 }, { key: 'fresh', value: 8 }])
  await store.append(4000, [{ key: 'third', value: 4 }, { key: 'disk', value: 7 }, { key: 'fresh', value: 9 }])
  const shown = async (one: MetricStore): Promise<object> => Object.fromEntries((await one.select(() => true, 2500, 5000, signal)).map(({ key, values }) => [key, values]))
  const wanted = { disk: [6, 7], fresh: [8, 9], third: [3, 4] }
  assert.deepEqual(await shown(store), wanted)
  const disk = async (one: MetricStore): Promise<unknown> => (await one.select((key) => key === 'disk', 0, 5000, signal)).map(({ times, values }) => times.map((ms, i) => [ms, values[i]]))
  assert.deepEqual(await disk(store), [[[1000, 100], [2000, 5], [3000, 6], [4000, 7]]])
  await store.close()
  const again = await open(2 ** 20)
  assert.equal(again.stats().blocks, 1)
  assert.deepEqual([await shown(again), await disk(again)], [wanted, [[[1000, 100], [3000, 6], [4000, 7]]]])
  assert.deepEqual(sorted(again.last().samples), [{ key: 'disk', value: 7 }, { key: 'fresh', value: 9 }, { key: 'third', value: 4 }])
  await again.close()
  await rm(folder, { recursive: true })
})

test('memory is bounded: the oldest moments go', async () => {
  const store = createMetricStore({ folder: '', limits, memoryBytes: 30_000, nowMs: Date.now, onTrouble: (error) => { throw error } })
  for (let i = 0; i < 2000; i++) await store.append(i * 1000, [{ key: 'x', value: Math.sin(i) }, { key: 'y', value: Math.cos(i) }])
  const [series] = await store.select((key) => key === 'x', 0, Infinity, signal)
  assert.ok((series?.times[0] ?? 0) > 0 && series?.times.at(-1) === 1_999_000, String(series?.times[0]))
})

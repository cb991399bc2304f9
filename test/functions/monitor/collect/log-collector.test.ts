import * as assert from 'node:assert/strict'
import type { Log } from '@bramble/runtime'
import { createLogCollector } from '../../../../functions/monitor/collect/log-collector.ts'
import type { Platform } from '../../../../functions/monitor/collect/platform.ts'
import type { Line } from '../../../../functions/monitor/logs/line.ts'
import { createMemoryLogStore } from '../../../../functions/monitor/logs/memory-log-store.ts'
import { eventually, test } from '../../../kit.ts'

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const START_MS = Date.UTC(2026, 0, 1)

test('a flood while the disk is full ends nothing; how many lines were left out is told when there is room', async () => {
  let [nowMs, isFull] = [START_MS, true]
  const platform: Platform = {
    json: async (path) => path.startsWith('/system/namespaces') ? ['n'] : [{ name: 'f', namespace: 'n' }],
    text: async () => '',
    async *lines() {
      for (let i = 0; i < 8; i++) {
        // The last ones come when it may be told again.
        nowMs += i === 6 ? 20_000 : 1
        yield JSON.stringify({ name: 'f', namespace: 'n', instance: 'i', timestamp: new Date(nowMs).toISOString(), text: 'x' })
      }
    },
  }
  const memory = createMemoryLogStore({ maxBytes: 2 ** 20 })
  const kept: Line[] = []
  const store: typeof memory = {
    ...memory,
    async append(lines) {
      if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      kept.push(...lines)
      return memory.append(lines)
    },
  }
  const collector = createLogCollector({ platform, store, log, nowMs: () => nowMs, linesPerSecond: 1, burstLines: 2 })
  collector.start()
  await eventually('lines were left out', () => (collector.stats().dropped.get('f.n') ?? 0) >= 4)
  isFull = false
  await eventually('it is told', () => kept.some(({ text }) => text.includes('were left out')))
  await collector.stop()
  assert.deepEqual(collector.functions(), [])
  const told = kept.map(({ text }) => /"lines":(\d+)/.exec(text)?.[1]).filter((count) => count !== undefined)
  assert.ok(Number(told[0]) > 4, `those of the first time are counted, too: ${told.join()}`)
})

test('a function that is removed is counted no more', async () => {
  let isThere = true
  const platform: Platform = {
    json: async (path) => path.startsWith('/system/namespaces') ? ['n'] : isThere ? [{ name: 'f', namespace: 'n' }] : [],
    text: async () => '',
    async *lines() {
      for (let i = 0; i < 3; i++) yield JSON.stringify({ name: 'f', namespace: 'n', instance: 'i', timestamp: new Date(START_MS + i).toISOString(), text: 'x' })
    },
  }
  const collector = createLogCollector({ platform, store: createMemoryLogStore({ maxBytes: 2 ** 20 }), log, nowMs: () => START_MS, linesPerSecond: 1, burstLines: 1 })
  collector.start()
  await eventually('lines were left out', () => (collector.stats().dropped.get('f.n') ?? 0) > 0)
  isThere = false
  await eventually('it is forgotten', () => collector.stats().dropped.size === 0)
  await collector.stop()
})

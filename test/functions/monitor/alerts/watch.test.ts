import * as assert from 'node:assert/strict'
import type { Log } from '@bramble/runtime'
import { createWatch } from '../../../../functions/monitor/alerts/watch.ts'
import { eventually, test } from '../../../kit.ts'

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

test('alerts are told while what the watch knows cannot be written: one of them is about the full disk', async () => {
  let nowMs = Date.UTC(2026, 0, 1)
  const told: string[] = []
  const watch = createWatch({
    file: { read: async () => ({ alerts: [], rules: [], silences: [], messages: [] }), write: async () => { throw new Error('ENOSPC') } },
    evaluate: async () => [{ labels: { node: 'pi' }, value: 1 }],
    delivery: { ways: ['webhook'], send: async (_, { alerts }) => { told.push(...alerts.map(({ rule }) => rule)) } },
    times: { groupMs: 0, repeatMs: 3_600_000 }, nowMs: () => nowMs, log,
  })
  await watch.open()
  for (let i = 0; i < 100; i++) {
    nowMs += 15_000
    await assert.rejects(watch.look(nowMs), /ENOSPC/)
  }
  await eventually('they are told', () => watch.stats().waiting === 0)
  assert.deepEqual([told.filter((rule) => rule === 'disk-nearly-full'), watch.stats().failed], [['disk-nearly-full'], 0])
  await watch.stop().catch(() => undefined)
})

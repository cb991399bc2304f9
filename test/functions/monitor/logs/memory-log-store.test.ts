import * as assert from 'node:assert/strict'
import { createMemoryLogStore } from '../../../../functions/monitor/logs/memory-log-store.ts'
import { test } from '../../../kit.ts'
import { find, lineAt, logStoreContract } from './log-store-contract.ts'

logStoreContract('memory', async () => ({ store: createMemoryLogStore({ maxBytes: 2 ** 20 }), [Symbol.asyncDispose]: async () => undefined }))

test('memory is bounded: the oldest lines go first', async () => {
  const store = createMemoryLogStore({ maxBytes: 50_000 })
  for (let i = 0; i < 1000; i++) await store.append([lineAt(i, { timeMs: i })])
  const kept = await find(store, {})
  assert.ok(kept.length > 50 && kept.length < 250, String(kept.length))
  assert.equal(kept.at(-1)?.line.timeMs, 999)
  assert.equal(store.stats().rawBytes, kept.reduce((sum, { line }) => sum + line.text.length, 0))
})

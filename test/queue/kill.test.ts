import * as assert from 'node:assert/strict'
import { test } from '../kit.ts'
import { killRounds } from './kill-rounds.ts'

test('of calls enqueued while the platform is killed again and again, none that was acknowledged is lost', async () => {
  const result = await killRounds({ calls: 3_000, kills: 5, longestLifeMs: 300, drainTimeoutMs: 60_000 })
  console.log(JSON.stringify(result))
  assert.deepEqual(result.lost, [])
  assert.ok(result.kills >= 2 && result.acknowledged > 100, JSON.stringify(result))
}, { timeoutMs: 150_000 })

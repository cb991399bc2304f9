import * as assert from 'node:assert/strict'
import { test } from '../../../kit.ts'
import { engineKills } from './kill-rounds.ts'

test('what was told survives that the process is killed under load', async () => {
  const { told, lost, half, untold } = await engineKills({ kills: 4, longestLifeMs: 500, writers: 16 })
  assert.ok(told > 0)
  assert.deepEqual(lost, [])
  assert.equal(half, 0)
  assert.ok(untold >= 0 && untold <= 4 * 16)
})

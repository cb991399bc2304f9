import * as assert from 'node:assert/strict'
import { test } from '../../kit.ts'
import { dataKills } from '../../kill/data-kills.ts'

test('of what is written while the data service is killed twice, nothing that was acknowledged is lost, and nothing is half done', async () => {
  const lines: string[] = []
  const { acknowledged, missing, half, kills } = await dataKills({ rounds: 2, longestLifeMs: 1_000, print: (line) => lines.push(line) })
  assert.deepEqual({ missing, half, kills }, { missing: 0, half: 0, kills: 2 }, lines.join('\n'))
  assert.ok(acknowledged > 10, lines.join('\n'))
}, { timeoutMs: 300_000 })

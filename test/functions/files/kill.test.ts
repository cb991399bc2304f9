import * as assert from 'node:assert/strict'
import { filesKills } from '../../kill/files-kills.ts'
import { test } from '../../kit.ts'

test('of what is stored while the files service and then the data service are killed, nothing that was acknowledged is lost or damaged', async () => {
  const lines: string[] = []
  const { acknowledged, offsets, kills, lost, damaged } = await filesKills({ rounds: 2, longestLifeMs: 300, print: (line) => lines.push(line) })
  assert.deepEqual({ lost, damaged, kills }, { lost: 0, damaged: 0, kills: 2 }, lines.join('\n'))
  assert.ok(acknowledged > 5 && offsets > 0, lines.join('\n'))
}, { timeoutMs: 300_000 })

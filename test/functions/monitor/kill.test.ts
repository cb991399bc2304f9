import * as assert from 'node:assert/strict'
import { monitorKills } from '../../kill/monitor-kills.ts'
import { test } from '../../kit.ts'

test('a monitor that is killed under pushes has every line that it acknowledged, once', async () => {
  const { missing, doubled, acknowledged } = await monitorKills({ rounds: 2, longestLifeMs: 300, print: () => undefined })
  assert.ok(acknowledged > 0)
  assert.deepEqual({ missing, doubled }, { missing: 0, doubled: 0 })
})

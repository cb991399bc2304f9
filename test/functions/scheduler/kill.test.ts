import * as assert from 'node:assert/strict'
import { schedulerKills } from '../../kill/scheduler-kills.ts'
import { test } from '../../kit.ts'

test('of jobs on two replicas, one of which is killed and then the data service, each runs, never beside itself, and who wants to know is told', async () => {
  const lines: string[] = []
  const { acknowledged, calls, kills, lost, untold, overlaps, stale } =
    await schedulerKills({ rounds: 2, longestLifeMs: 300, leaseMs: 2000, print: (line) => lines.push(line) })
  assert.deepEqual({ lost, untold, overlaps, stale, kills }, { lost: 0, untold: 0, overlaps: 0, stale: 0, kills: 2 }, lines.join('\n'))
  assert.ok(acknowledged > 5 && calls > acknowledged, lines.join('\n'))
}, { timeoutMs: 300_000 })

import * as assert from 'node:assert/strict'
import { createNodes, LOST_MS, MAX_NODES } from '../../../../functions/monitor/metrics/node-figures.ts'
import { test } from '../../../kit.ts'

const DAY_MS = 86_400_000

test('one board more than there may be has no room and drives none away; this one always has its place', () => {
  let nowMs = 0
  const nodes = createNodes(() => nowMs)
  for (let i = 0; i < MAX_NODES; i++) {
    assert.ok(nodes.hasRoomFor(`n${i}`))
    nodes.put(`n${i}`, {})
  }
  assert.deepEqual([nodes.hasRoomFor('more'), nodes.hasRoomFor('n7')], [false, true])
  nodes.put('this-board', {})
  assert.deepEqual([nodes.list().length, nodes.list()[0]?.name], [MAX_NODES + 1, 'n0'])
  nowMs = 8 * DAY_MS
  assert.ok(nodes.hasRoomFor('more'), 'those that were lost a week ago are forgotten')
  assert.deepEqual(nodes.list(), [])
})

test('a board is lost when it does not tell of itself, known from before or not; then only that is told', () => {
  let nowMs = 10 * DAY_MS
  const nodes = createNodes(() => nowMs)
  nodes.restore('zero-1', nowMs - LOST_MS)
  nodes.put('zero-2', { cpu_cores: 4, cpu_used: 0.5, throttled: 0b100 })
  nodes.restore('zero-2', 0)
  assert.deepEqual(nodes.samples().map(({ key, value }) => `${key} ${value}`), [
    'bramble_node_up{job="board",node="zero-1"} 0', 'bramble_node_up{job="board",node="zero-2"} 1', 'bramble_node_cpu_cores{job="board",node="zero-2"} 4', 'bramble_node_cpu_used_ratio{job="board",node="zero-2"} 0.5',
    'bramble_node_cpu_used_cores{job="board",node="zero-2"} 2', 'bramble_node_under_voltage{job="board",node="zero-2"} 0', 'bramble_node_throttled{job="board",node="zero-2"} 1',
  ])
  nowMs += LOST_MS
  assert.deepEqual(nodes.samples().map(({ value }) => value), [0, 0])
})

import * as assert from 'node:assert/strict'
import type { PodView } from '../../../platform/provider/kubernetes/objects.ts'
import { chooseMove, viewNode, type NodeView } from '../../../platform/provider/kubernetes/rebalance.ts'
import { cases, test } from '../../kit.ts'
import { podOf } from './pods.ts'

const NOW_MS = Date.parse('2026-03-01T12:00:00Z')
const on = (node: string, ...seconds: number[]): PodView[] => seconds.map((second) =>
  ({ ...podOf({ name: `${node}-${second}` }), node, createdAtMs: second * 1000 }))
const node = (name: string, more: Partial<NodeView> = {}): NodeView => ({ name, labels: {}, isOpen: true, readySinceMs: 0, ...more })

type MoveCase = { readonly name: string; readonly pods: readonly PodView[]; readonly nodes: readonly NodeView[]; readonly nodeSelector?: Record<string, string>; readonly expected: string | undefined }

cases('a replica moves', [
  { name: 'to a board that has come back, the youngest first', pods: on('a', 1, 3, 2), nodes: [node('a'), node('b')], expected: 'a-3' },
  { name: 'not when it is as even as it gets', pods: [...on('a', 1, 2), ...on('b', 3)], nodes: [node('a'), node('b')], expected: undefined },
  { name: 'not when there is only one', pods: on('a', 1), nodes: [node('a'), node('b')], expected: undefined },
  { name: 'not to a board that has only just come back', pods: on('a', 1, 2), nodes: [node('a'), node('b', { readySinceMs: NOW_MS - 5_000 })], expected: undefined },
  { name: 'not to a board that takes no pods', pods: on('a', 1, 2), nodes: [node('a'), node('b', { isOpen: false })], expected: undefined },
  { name: 'not to a board without the labels that are asked for', pods: on('a', 1, 2), nodes: [node('a', { labels: { zone: 'here' } }), node('b')], nodeSelector: { zone: 'here' }, expected: undefined },
] as readonly MoveCase[], ({ pods, nodes, nodeSelector = {}, expected }) =>
  assert.equal(chooseMove({ pods, nodes, nodeSelector, nowMs: NOW_MS })?.pod.name, expected))

test('a board takes pods when it is ready, and neither closed nor tainted', () => {
  const ready = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-03-01T10:00:00Z' }] }
  assert.equal(viewNode({ metadata: { name: 'a' }, status: ready }).isOpen, true)
  assert.equal(viewNode({ metadata: { name: 'a' }, spec: { unschedulable: true }, status: ready }).isOpen, false)
  assert.equal(viewNode({ metadata: { name: 'a' }, spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] }, status: ready }).isOpen, false)
  assert.equal(viewNode({ metadata: { name: 'a' }, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }).isOpen, false)
})

import * as assert from 'node:assert/strict'
import { chooseRoute, instanceOf, isWorthAsking } from '../../../platform/provider/kubernetes/routes.ts'
import { chooseScaleDown } from '../../../platform/provider/kubernetes/scale-down.ts'
import type { PodView } from '../../../platform/provider/kubernetes/objects.ts'
import { cases, test } from '../../kit.ts'
import { deploymentView, podOf, waiting } from './pods.ts'

type RouteCase = {
  readonly name: string
  readonly replicas?: number
  /** `r1` is the version asked for. */
  readonly pods: readonly PodView[]
  /** Names of those that do not serve. */
  readonly silent?: readonly string[]
  readonly shown?: string
  readonly expected: readonly string[]
}

const pod = (name: string, more: Parameters<typeof podOf>[0] = {}): PodView => podOf({ name, ...more })
const old = (name: string, more: Parameters<typeof podOf>[0] = {}): PodView => podOf({ name, revision: 'r0', ...more })
const leaving = { metadata: { name: 'b', uid: 'uid-b', labels: { faas_function: 'echo' }, deletionTimestamp: '2026-03-01T11:00:00Z', annotations: { 'bramble/incarnation': 'i1', 'bramble/revision': 'r1' } } }

cases('calls go to', [
  { name: 'every replica that serves', replicas: 3, pods: [pod('a'), pod('b'), pod('c')], silent: ['b'], expected: ['a', 'c'] },
  { name: 'nobody while the function is asleep, though its pods still are', replicas: 0, pods: [pod('a')], expected: [] },
  { name: 'nobody who has been told to go, at once', pods: [pod('a'), pod('b', leaving)], expected: ['a'] },
  { name: 'nobody who is chosen to go next', pods: [pod('a'), pod('b', { metadata: { annotations: { 'bramble/incarnation': 'i1', 'bramble/revision': 'r1', 'controller.kubernetes.io/pod-deletion-cost': '-100' }, labels: { faas_function: 'echo' }, name: 'b' } })], expected: ['a'] },
  { name: 'nobody of a function of the same name that was removed', pods: [pod('a'), pod('b', { metadata: { name: 'b', labels: { faas_function: 'echo' }, annotations: { 'bramble/incarnation': 'i0', 'bramble/revision': 'r1' } } })], expected: ['a'] },
  { name: 'nobody whose node has given it up', pods: [pod('a', { status: { phase: 'Failed', podIP: '10.42.0.1', reason: 'Evicted' } })], expected: [] },
  { name: 'the old version while the new one does not serve', pods: [old('a'), pod('b')], silent: ['b'], shown: 'r0', expected: ['a'] },
  { name: 'the old version while there are more of it', replicas: 3, pods: [old('a'), old('b'), old('c'), pod('d')], shown: 'r0', expected: ['a', 'b', 'c'] },
  { name: 'the new version as a whole, once it is as many', replicas: 3, pods: [old('a'), old('b'), pod('c'), pod('d')], shown: 'r0', expected: ['c', 'd'] },
  { name: 'the new version from then on', replicas: 3, pods: [old('a'), old('b'), pod('c')], shown: 'r1', expected: ['c'] },
  { name: 'the old version again when none of the new one serves any more', pods: [old('a'), pod('b')], silent: ['b'], shown: 'r1', expected: ['a'] },
  { name: 'the new version when less is wanted than the old one has', replicas: 1, pods: [old('a'), old('b'), pod('c')], shown: 'r0', expected: ['c'] },
] as readonly RouteCase[], ({ replicas = 1, pods, silent = [], shown, expected }) => {
  const choice = chooseRoute({
    deployment: deploymentView({ replicas }), pods, shown, isServing: ({ name }) => !silent.includes(name),
  })
  assert.deepEqual(choice.pods.map(({ name }) => name), expected)
})

test('a container that was started again is another replica', () => {
  const again = podOf({ status: { containerStatuses: [{ name: 'echo', restartCount: 2, state: { running: {} } }] } })
  assert.equal(instanceOf(podOf()), 'echo-1')
  assert.equal(instanceOf(again), 'echo-1.2')
})

cases('a replica is asked whether it serves', [
  { name: 'when it runs', status: {}, expected: true },
  { name: 'when Kubernetes has not said yet that it runs', status: waiting('ContainerCreating'), expected: true },
  { name: 'not when its image is missing', status: waiting('ImagePullBackOff'), expected: false },
  { name: 'not between two ends', status: waiting('CrashLoopBackOff', '', { exitCode: 1 }, 3), expected: false },
] as const, ({ status, expected }) => assert.equal(isWorthAsking(podOf({ status })), expected))

const aged = (name: string, second: number, more: object = {}): PodView => ({ ...podOf({ name }), createdAtMs: second * 1000, ...more })

cases('of several replicas go', [
  { name: 'the youngest', pods: [aged('a', 1), aged('c', 3), aged('b', 2)], replicas: 1, doom: ['b', 'c'], spare: [] },
  { name: 'those that are not ready before those that are', pods: [aged('a', 1, { isReady: false }), aged('b', 2)], replicas: 1, doom: ['a'], spare: [] },
  { name: 'those of the old version by Kubernetes\' own choice', pods: [aged('a', 1), { ...aged('b', 2), revision: 'r0' }], replicas: 1, doom: [], spare: [] },
  { name: 'none that are to stay after all', pods: [aged('a', 1), aged('b', 2, { isDoomed: true })], replicas: 2, doom: [], spare: ['b'] },
], ({ pods, replicas, doom, spare }) => {
  const choice = chooseScaleDown(pods, 'i1', replicas)
  assert.deepEqual(choice.doom.map(({ name }) => name), doom)
  assert.deepEqual(choice.spare.map(({ name }) => name), spare)
})

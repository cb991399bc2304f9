import * as assert from 'node:assert/strict'
import { statusOf } from '../../../platform/provider/kubernetes/status.ts'
import type { PodView } from '../../../platform/provider/kubernetes/objects.ts'
import { cases, test } from '../../kit.ts'
import { deploymentView, podOf, startedAtMs, waiting } from './pods.ts'

const ended = (more: object): object => ({ exitCode: 3, reason: 'Error', finishedAt: '2026-03-01T10:00:05Z', ...more })
const unready = [{ type: 'Ready', status: 'False' }]
const unscheduled = (message: string): object => ({ phase: 'Pending', podIP: undefined, conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] })

type Ill = { readonly name: string; readonly status: object; readonly reason: string; readonly words: readonly RegExp[]; readonly lines?: readonly string[]; readonly afterMs?: number }

cases('a function that is not ready says why', [
  {
    name: 'its image is not in the registry', status: waiting('ImagePullBackOff', 'Back-off pulling image "reg.local/echo:9": rpc error: code = NotFound desc = failed to pull: reg.local/echo:9: not found'),
    reason: 'NotReady', words: [/image reg\.local\/echo:9/, /not in its registry: push it/],
  },
  {
    name: 'its image is for another CPU', status: waiting('ErrImagePull', 'failed to pull image "reg.local/echo:1": no match for platform in manifest: not found'),
    reason: 'NotReady', words: [/not built for the CPU of its node/, /arm64/],
  },
  {
    name: 'its program is for another CPU', status: waiting('CrashLoopBackOff', '', ended({ exitCode: 255, message: 'exec /usr/bin/node: exec format error' }), 3),
    reason: 'NotReady', words: [/cannot run on node zero-1/, /another CPU/],
  },
  {
    name: 'its image may not be pulled', status: waiting('ImagePullBackOff', 'failed to pull image "reg.local/echo:1": 401 Unauthorized'),
    reason: 'NotReady', words: [/may not be pulled/, /dockerconfigjson/],
  },
  {
    name: 'its program is not there', status: waiting('CrashLoopBackOff', '', ended({ exitCode: 128, reason: 'StartError', message: 'exec: "nod": executable file not found in $PATH' }), 2),
    reason: 'NotReady', words: [/cannot start: exec: "nod"/],
  },
  {
    name: 'no node has memory', status: unscheduled('0/3 nodes are available: 1 node(s) had untolerated taint {x: }, 2 Insufficient memory.'),
    reason: 'NotReady', words: [/no node has enough free memory/, /requests\.memory/], afterMs: 5_000,
  },
  {
    name: 'no node has the labels', status: unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
    reason: 'NotReady', words: [/no node has the label bramble\/storage=true that the constraints ask for \(kubectl label node NAME bramble\/storage=true\)/], afterMs: 5_000,
  },
  {
    name: 'the node with the label is full', status: unscheduled("0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match Pod's node affinity/selector."),
    reason: 'NotReady', words: [/no node has enough free memory/, /the other nodes have not the label bramble\/storage=true/], afterMs: 5_000,
  },
  {
    name: 'the label is on another node than its volume', status: unscheduled("0/3 nodes are available: 1 node(s) had volume node affinity conflict, 2 node(s) didn't match Pod's node affinity/selector."),
    reason: 'NotReady', words: [/its volume lies on another board/, /the other nodes have not the label/], afterMs: 5_000,
  },
  {
    name: 'it used too much memory', status: waiting('CrashLoopBackOff', '', ended({ exitCode: 137, reason: 'OOMKilled' }), 2),
    reason: 'OutOfMemory', words: [/more memory than its limit/, /2 times/, /limits\.memory/],
  },
  {
    name: 'it keeps ending, and what it said last', status: waiting('CrashLoopBackOff', '', ended({ message: 'starting\ncrashing as asked\n' }), 4),
    reason: 'CrashLoop', words: [/ended with code 3 \(4 times\)/], lines: ['starting', 'crashing as asked'],
  },
  {
    name: 'it does not answer its probe', status: { conditions: unready },
    reason: 'NotReady', words: [/not ready after 60 s/, /does not answer its probe/], afterMs: 60_000,
  },
  {
    name: 'its configuration cannot be made', status: waiting('CreateContainerConfigError', 'secret "key" not found'),
    reason: 'NotReady', words: [/secret "key" not found/],
  },
  { name: 'it is only starting', status: waiting('ContainerCreating'), reason: 'Starting', words: [/0 of 1 replicas are ready/] },
  { name: 'it has ended once, which is an accident', status: { conditions: unready, containerStatuses: [{ name: 'echo', restartCount: 1, state: { running: {} }, lastState: { terminated: ended({}) } }] }, reason: 'Starting', words: [/0 of 1/] },
] as readonly Ill[], ({ status, reason, words, lines, afterMs = 1_000 }) => {
  const [condition] = conditions([podOf({ status })], { afterMs, silent: ['echo-1'] })
  assert.ok(condition)
  assert.equal(condition.reason, reason)
  for (const word of words) assert.match(condition.message, word)
  assert.deepEqual(condition.lastLines, lines)
})

test('an image is named without what the runtime wraps around it', () => {
  const [condition] = conditions([podOf({ status: waiting('ErrImagePull', 'rpc error: failed to pull and unpack image "reg.local/echo:9": failed to resolve: not found') })], { silent: ['echo-1'] })
  assert.match(condition?.message ?? '', /^image reg\.local\/echo:9 of replica echo-1 /)
})

test('an update that fails names the reason, while the old version counts', () => {
  const bad = podOf({ name: 'new-1', revision: 'r1', status: waiting('CrashLoopBackOff', '', ended({ message: 'boom' }), 2) })
  const status = statusFor([podOf({ name: 'old-1', revision: 'r0' }), bad], { silent: ['new-1'], shown: 'r0' })
  assert.equal(status.availableReplicas, 1)
  assert.equal(status.conditions[0]?.reason, 'UpdateFailed')
  assert.match(status.conditions[0]?.message ?? '', /the old one serves: replica new-1 ended with code 3/)
  assert.deepEqual(status.conditions[0]?.lastLines, ['boom'])
})

test('an update that goes on says so', () => {
  const status = statusFor([podOf({ name: 'old-1', revision: 'r0' }), podOf({ name: 'new-1', status: waiting('ContainerCreating') })], { silent: ['new-1'], shown: 'r0' })
  assert.deepEqual(status.conditions, [{ reason: 'Starting', message: 'a new version is starting; the old one serves' }])
})

test('a function that is asleep is not ill, whatever its last pods were', () => {
  const status = statusFor([podOf({ status: waiting('CrashLoopBackOff', '', ended({}), 5) })], { replicas: 0, silent: ['echo-1'] })
  assert.deepEqual([status.replicas, status.availableReplicas, status.conditions], [0, 0, []])
})

test('replicas that an eviction left behind are no trouble once they are replaced', () => {
  const evicted = podOf({ name: 'gone', status: { phase: 'Failed', reason: 'Evicted', conditions: [] } })
  assert.deepEqual(statusFor([evicted, podOf({ name: 'here' })], { silent: ['gone'] }).conditions, [])
  assert.match(statusFor([evicted], { silent: ['gone'] }).conditions[0]?.message ?? '', /given up by its node: Evicted/)
})

test('a cluster that refuses pods is heard', () => {
  const deployment = deploymentView({ status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'pods "echo" is forbidden: exceeded quota' }] } })
  const status = statusOf({ deployment, pods: [], isServing: () => false, shown: undefined, nowMs: startedAtMs, readyDeadlineMs: 30_000 })
  assert.match(status.conditions[0]?.message ?? '', /no replica can be made: .*exceeded quota/)
})

type More = { readonly afterMs?: number; readonly silent?: readonly string[]; readonly shown?: string; readonly replicas?: number }

function statusFor(pods: readonly PodView[], { afterMs = 1_000, silent = [], shown, replicas = 1 }: More): ReturnType<typeof statusOf> {
  return statusOf({
    deployment: deploymentView({ replicas }), pods, shown, nowMs: startedAtMs + afterMs, readyDeadlineMs: 30_000,
    isServing: ({ name }) => !silent.includes(name),
  })
}

function conditions(pods: readonly PodView[], more: More): ReturnType<typeof statusOf>['conditions'] {
  return statusFor(pods, more).conditions
}

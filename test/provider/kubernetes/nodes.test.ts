/** On answers as a K3s of Zero 2Ws gives them, shortened to what is near what is read. */
import * as assert from 'node:assert/strict'
import { createLog } from '../../../platform/lib/log.ts'
import type { Client } from '../../../platform/provider/kubernetes/client.ts'
import { createNodes } from '../../../platform/provider/kubernetes/nodes.ts'
import { test } from '../../kit.ts'

const quiet = createLog({ write: () => undefined })

type Answers = Record<string, unknown>

/** Of the API server only GET; what it has no answer for fails, as a kubelet does that is away. */
function answering(answers: Answers): Client & { readonly asked: string[] } {
  const asked: string[] = []
  const never = (): never => { throw new Error('nodes are only read') }
  return {
    asked,
    async get(path) {
      asked.push(path)
      if (!Object.hasOwn(answers, path)) throw new Error(`${path}: 502 error trying to reach service: dial tcp 10.0.0.3:10250: i/o timeout`)
      return answers[path]
    },
    create: never, apply: never, merge: never, remove: never, post: never, open: never, close: never,
  }
}

function node(name: string, ready: 'True' | 'False' | 'Unknown', cpu: string): object {
  return {
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/arch': 'arm64', 'kubernetes.io/hostname': name } },
    spec: { podCIDR: '10.42.1.0/24' },
    status: {
      capacity: { cpu, 'ephemeral-storage': '30298176Ki', memory: '438020Ki', pods: '110' },
      allocatable: { cpu, 'ephemeral-storage': '29474065592', memory: '438020Ki', pods: '110' },
      conditions: [
        { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
        { type: 'DiskPressure', status: 'True', reason: 'KubeletHasDiskPressure' },
        { type: 'Ready', status: ready, reason: ready === 'True' ? 'KubeletReady' : 'NodeStatusUnknown' },
      ],
    },
  }
}

const summary = {
  node: {
    nodeName: 'zero-1', startTime: '2026-03-01T10:00:00Z',
    cpu: { time: '2026-03-01T12:00:00Z', usageNanoCores: 312_500_000, usageCoreNanoSeconds: 1_800_000_000_000 },
    memory: { time: '2026-03-01T12:00:00Z', availableBytes: 200_000_000, usageBytes: 350_000_000, workingSetBytes: 248_532_480, rssBytes: 150_000_000 },
    fs: { time: '2026-03-01T12:00:00Z', availableBytes: 20_000_000_000, capacityBytes: 31_025_332_224, usedBytes: 9_000_000_000 },
  },
  pods: [],
}
const of = (name: string): string => `/api/v1/nodes/${name}/proxy/stats/summary`

test('a node has what its kubelet measures; one that is away is down, and one whose kubelet does not answer is up without figures', async () => {
  const client = answering({
    '/api/v1/nodes': { kind: 'NodeList', items: [node('zero-1', 'True', '4'), node('zero-2', 'Unknown', '4'), node('zero-3', 'True', '4'), node('pi/4', 'False', 'much')] },
    [of('zero-1')]: summary,
  })
  const nodes = createNodes({ client, log: quiet })
  assert.deepEqual(JSON.parse(JSON.stringify(await nodes())), [
    {
      name: 'zero-1', isUp: true, cpuCores: 4, cpuUsedCores: 0.3125, memoryTotalBytes: 448_532_480, memoryAvailableBytes: 200_000_000,
      diskTotalBytes: 31_025_332_224, diskAvailableBytes: 20_000_000_000,
    },
    { name: 'zero-2', isUp: false, cpuCores: 4 },
    { name: 'zero-3', isUp: true, cpuCores: 4 },
    { name: 'pi/4', isUp: false },
  ])
  assert.deepEqual(client.asked, ['/api/v1/nodes', of('zero-1'), of('zero-3')], 'who is away is not asked: that would take long')
})

test('many who ask at once share an answer, and a part that is missing takes no other with it', async () => {
  const { memory, ...rest } = summary.node
  const client = answering({ '/api/v1/nodes': { items: [node('zero-1', 'True', '4')] }, [of('zero-1')]: { node: { ...rest, memory: { ...memory, availableBytes: undefined } } } })
  const nodes = createNodes({ client, log: quiet })
  const answers = await Promise.all([nodes(), nodes(), nodes()])
  assert.deepEqual(client.asked, ['/api/v1/nodes', of('zero-1')])
  assert.deepEqual(answers.map(([one]) => [one?.cpuUsedCores, one?.memoryTotalBytes, one?.diskTotalBytes]), Array.from({ length: 3 }, () => [0.3125, undefined, 31_025_332_224]))
})

test('without the right to list nodes, or with an answer of another kind, there are none', async () => {
  for (const answers of [{}, { '/api/v1/nodes': 'x' }, { '/api/v1/nodes': { items: 5 } }]) assert.deepEqual(await createNodes({ client: answering(answers), log: quiet })(), [])
})

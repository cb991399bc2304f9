/** What the nodes have and use, from the kubelets' summaries through the API server. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { NodeUsage } from '../provider.ts'
import type { Client } from './client.ts'
import { listAt, numberAt, textAt } from './json.ts'
import { paths } from './paths.ts'

/** The kubelet itself measures about every ten seconds. */
const KEEP_MS = 5_000
const NANOS = 1e9

export function createNodes({ client, log }: { client: Client; log: Log }): () => Promise<readonly NodeUsage[]> {
  let last: { readonly atMs: number; readonly nodes: Promise<readonly NodeUsage[]> } | undefined

  const usageOf = async (node: unknown): Promise<NodeUsage> => {
    const name = textAt(node, 'metadata', 'name') ?? ''
    const cpuCores = Number(textAt(node, 'status', 'capacity', 'cpu'))
    const isReady = listAt(node, 'status', 'conditions').some((one) => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True')
    const summary = isReady ? await client.get(paths.nodeSummary(name)).catch((error: unknown) => {
      log.debug('the usage of a node cannot be read', { node: name, error: reasonOf(error) })
      return undefined
    }) : undefined
    const usedNanos = numberAt(summary, 'node', 'cpu', 'usageNanoCores')
    const available = numberAt(summary, 'node', 'memory', 'availableBytes')
    const used = numberAt(summary, 'node', 'memory', 'workingSetBytes')
    return {
      name, isUp: isReady,
      ...(cpuCores > 0 && { cpuCores }),
      ...(usedNanos !== undefined && { cpuUsedCores: usedNanos / NANOS }),
      ...(available !== undefined && used !== undefined && { memoryTotalBytes: available + used, memoryAvailableBytes: available }),
      diskTotalBytes: numberAt(summary, 'node', 'fs', 'capacityBytes'), diskAvailableBytes: numberAt(summary, 'node', 'fs', 'availableBytes'),
    }
  }

  return () => {
    if (last === undefined || performance.now() - last.atMs >= KEEP_MS) {
      const nodes = client.get(paths.nodes()).then((list) => Promise.all(listAt(list, 'items').map(usageOf)), (error: unknown) => {
        log.debug('the nodes cannot be listed', { error: reasonOf(error) })
        return []
      })
      last = { atMs: performance.now(), nodes }
    }
    return last.nodes
  }
}

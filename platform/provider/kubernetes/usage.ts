/** What a function's replicas use, from the kubelets' summaries through the API server. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef, FunctionUsage } from '../../openfaas/types.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { listAt, numberAt, textAt } from './json.ts'
import { paths } from './paths.ts'

export type Usage = { of(ref: FunctionRef): Promise<FunctionUsage | undefined> }

/** The kubelet itself measures about every ten seconds: many functions of one list share an answer. */
const KEEP_MS = 2_000
const NANOS_PER_MILLI = 1e6

export function createUsage({ client, cluster, log }: { client: Client; cluster: Cluster; log: Log }): Usage {
  const summaries = new Map<string, { readonly atMs: number; readonly pods: Promise<readonly unknown[]> }>()

  const podsOn = (node: string): Promise<readonly unknown[]> => {
    const known = summaries.get(node)
    if (known && performance.now() - known.atMs < KEEP_MS) return known.pods
    const pods = client.get(paths.nodeSummary(node)).then((summary) => listAt(summary, 'pods'), (error: unknown) => {
      log.debug('the usage of a node cannot be read', { node, error: reasonOf(error) })
      return []
    })
    summaries.set(node, { atMs: performance.now(), pods })
    return pods
  }

  return {
    async of(ref) {
      const mine = cluster.pods(ref)
      const nodes = new Set(mine.flatMap(({ node }) => node ?? []))
      const uids = new Set(mine.filter(({ isLeaving }) => !isLeaving).map(({ uid }) => uid))
      const containers = (await Promise.all([...nodes].map(podsOn))).flat()
        .filter((pod) => uids.has(textAt(pod, 'podRef', 'uid') ?? ''))
        .flatMap((pod) => listAt(pod, 'containers'))
      return {
        cpu: sum(containers, 'cpu', 'usageNanoCores') / NANOS_PER_MILLI,
        totalMemoryBytes: sum(containers, 'memory', 'workingSetBytes'),
      }
    },
  }
}

function sum(containers: readonly unknown[], ...path: readonly string[]): number {
  return containers.reduce<number>((total, one) => total + (numberAt(one, ...path) ?? 0), 0)
}

/** Spreads replicas over the boards again: now and then, one replica at a time, and none that is needed just now. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { createLoop } from '../../lib/loop.ts'
import type { Part } from '../../lib/parts.ts'
import { serviceName } from '../../openfaas/names.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError } from './errors.ts'
import { listAt } from './json.ts'
import type { DeploymentView } from './objects.ts'
import { paths } from './paths.ts'
import { nodeSelectorOf } from './pod-template.ts'
import { chooseMove, viewNode } from './rebalance.ts'
import type { Rotation } from './rotation.ts'

const EVERY_MS = 30_000
/** The scheduler may have reasons to put a replica back where it was: after a move that did not help it is left in peace. */
const REST_MS = 10 * 60_000

export function createBalancer({ client, cluster, rotation, log }: { client: Client; cluster: Cluster; rotation: Rotation; log: Log }): Part {
  /** The last move of each function. */
  const moved = new Map<string, { readonly atMs: number; readonly difference: number }>()

  const candidates = (): readonly DeploymentView[] => cluster.namespaces().flatMap(({ name }) => cluster.deployments(name))
    .filter((one) => one.replicas >= 2)

  const round = async (): Promise<void> => {
    const deployments = candidates()
    for (const key of moved.keys()) if (!deployments.some((one) => serviceName(one) === key)) moved.delete(key)
    if (deployments.length === 0) return
    const nodes = listAt(await client.get(paths.nodes()), 'items').map(viewNode)
    for (const deployment of deployments) {
      const pods = cluster.pods(deployment)
      // In the middle of a change Kubernetes is busy with it.
      const isSteady = pods.length === deployment.replicas && pods.every((pod) =>
        rotation.isServing(pod) && !pod.isLeaving && pod.revision === deployment.revision && pod.incarnation === deployment.incarnation)
      const move = isSteady ? chooseMove({ pods, nodes, nodeSelector: nodeSelectorOf(deployment.spec.constraints), nowMs: Date.now() }) : undefined
      if (!move) continue
      const key = serviceName(deployment)
      const last = moved.get(key)
      if (last && last.difference <= move.difference && performance.now() - last.atMs < REST_MS) continue
      moved.set(key, { atMs: performance.now(), difference: move.difference })
      const { pod } = move
      try {
        await client.post(paths.podEviction(pod.namespace, pod.name), {
          apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod.name, namespace: pod.namespace },
        })
        log.info('a replica moves to a board with fewer', { function: deployment.name, namespace: deployment.namespace, pod: pod.name, from: pod.node })
      } catch (error) {
        // A disruption budget says no (429), or another platform was first (404).
        if (!isApiError(error, 429) && !isApiError(error, 404)) throw error
      }
    }
  }

  return createLoop({
    everyMs: EVERY_MS, round, onError: (error) => log.warn('replicas could not be spread over the boards', { error: reasonOf(error) }),
  })
}

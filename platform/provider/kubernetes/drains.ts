/** Ends replicas that have left the rotation as soon as no call is on them, instead of after their whole grace period. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError } from './errors.ts'
import type { PodView } from './objects.ts'
import { paths } from './paths.ts'
import { instanceOf } from './routes.ts'

export type Drains = {
  /** The data path has no call left on it. */
  drained(instance: string): void
  /** A pod has changed: one that was drained before Kubernetes told it to go. */
  look(pod: PodView): void
}

/** From being told to end: our runtime accepts for two seconds more, others save what they have. */
const END_SECONDS = 5

export function createDrains({ client, cluster, log }: { client: Client; cluster: Cluster; log: Log }): Drains {
  /** Drained, and not told to go yet. */
  const waiting = new Set<string>()
  const cut = async (pod: PodView): Promise<void> => {
    if (pod.graceSeconds <= END_SECONDS) return
    try {
      await client.remove(paths.pods(pod.namespace, pod.name), { uid: pod.uid, graceSeconds: END_SECONDS })
    } catch (error) {
      if (isApiError(error, 404) || isApiError(error, 409)) return
      log.warn('a drained replica could not be ended early', { pod: pod.name, error: reasonOf(error) })
    }
  }
  const look = (pod: PodView): void => {
    if (pod.isLeaving && waiting.delete(instanceOf(pod))) void cut(pod)
  }

  return {
    drained(instance) {
      const pod = cluster.findPod(instance.replace(/\.[0-9]+$/, ''))
      if (!pod) return
      waiting.add(instance)
      look(pod)
    },
    look,
  }
}

/** Ends replicas that have left the rotation as soon as no call is on them, instead of after their whole grace period. */
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Client } from './client.ts'
import type { Cluster } from './cluster.ts'
import { isApiError } from './errors.ts'
import { DRAINED_ANNOTATION } from './names.ts'
import type { PodView } from './objects.ts'
import { paths } from './paths.ts'
import { instanceOf } from './routes.ts'

export type Drains = {
  /** The data path has no call left on it. */
  drained(instance: string): void
  /** A pod has changed: Kubernetes has told it to go, or another platform says that it is drained there. */
  look(pod: PodView): void
  /** Another platform came or went. */
  review(): void
}

export type DrainsDeps = {
  readonly client: Client
  readonly cluster: Cluster
  /** Names of the other platforms: each says on the pod that it has no call left on it. */
  readonly others: () => readonly string[]
  readonly self: string
  readonly log: Log
}

/** From being told to end: our runtime accepts for two seconds more, others save what they have. */
const END_SECONDS = 5

export function createDrains({ client, cluster, others, self, log }: DrainsDeps): Drains {
  /** Drained here, and not known to have ended. */
  const drained = new Set<string>()

  const change = async (pod: PodView, body: () => Promise<unknown>): Promise<void> => {
    try {
      await body()
    } catch (error) {
      if (isApiError(error, 404) || isApiError(error, 409)) return
      log.warn('a drained replica could not be ended early', { pod: pod.name, error: reasonOf(error) })
    }
  }
  const cut = (pod: PodView): Promise<void> => change(pod, () =>
    client.remove(paths.pods(pod.namespace, pod.name), { uid: pod.uid, graceSeconds: END_SECONDS }))
  const tell = (pod: PodView): Promise<void> => change(pod, () =>
    client.merge(paths.pods(pod.namespace, pod.name), { metadata: { annotations: { [DRAINED_ANNOTATION + self]: 'true' } } }))

  const look = (pod: PodView): void => {
    if (!pod.isLeaving || !drained.has(instanceOf(pod))) return
    const waitedFor = others().filter((name) => !pod.drainedBy.includes(name))
    if (waitedFor.length === 0) {
      drained.delete(instanceOf(pod))
      if (pod.graceSeconds > END_SECONDS) void cut(pod)
    } else if (!pod.drainedBy.includes(self)) void tell(pod)
  }
  const podOf = (instance: string): PodView | undefined => cluster.findPod(instance.replace(/\.[0-9]+$/, ''))

  return {
    drained(instance) {
      const pod = podOf(instance)
      if (!pod) return
      drained.add(instance)
      look(pod)
    },
    look,
    review() {
      for (const instance of drained) {
        const pod = podOf(instance)
        if (pod) look(pod)
        else drained.delete(instance)
      }
    },
  }
}

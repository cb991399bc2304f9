/** Which pods take a function's calls. Pure. */
import type { DeploymentView, PodView } from './objects.ts'

export type RouteFacts = {
  readonly deployment: Pick<DeploymentView, 'incarnation' | 'revision' | 'replicas'>
  /** In the order they were first seen. */
  readonly pods: readonly PodView[]
  /** Our own probe has succeeded since the container started, or Kubernetes had called it ready when it was first seen. */
  readonly isServing: (pod: PodView) => boolean
  /** The version whose pods take the calls now. */
  readonly shown: string | undefined
}

export type RouteChoice = {
  readonly revision: string | undefined
  /** The oldest first. */
  readonly pods: readonly PodView[]
}

/**
 * A pod leaves at its deletion timestamp, or when it is chosen to go with the next scaling down. All that take calls
 * are of one version: the new one takes over as a whole, as soon as as many of its pods serve as are left of the old.
 */
export function chooseRoute({ deployment, pods, isServing, shown }: RouteFacts): RouteChoice {
  if (deployment.replicas === 0) return { revision: undefined, pods: [] }
  const serving = pods.filter((pod) => isCandidate(pod, deployment.incarnation) && isServing(pod)).sort(byAge)
  const current = serving.filter(({ revision }) => revision === deployment.revision)
  const former = largest(serving.filter(({ revision }) => revision !== deployment.revision), shown)
  const hasSwitched = shown === deployment.revision && current.length > 0
  const chosen = hasSwitched || current.length >= Math.max(1, Math.min(former.length, deployment.replicas)) ? current : former
  return { revision: chosen[0]?.revision, pods: chosen }
}

/** Whether a pod may take calls as soon as it serves. */
export function isCandidate(pod: PodView, incarnation: string): boolean {
  return !pod.isLeaving && !pod.isDoomed && pod.ip !== undefined && pod.incarnation === incarnation &&
    pod.phase !== 'Failed' && pod.phase !== 'Succeeded'
}

/** Whether to ask it: its container runs, or has not been said to have started yet. */
export function isWorthAsking(pod: PodView): boolean {
  if (pod.isRunning) return true
  return pod.restarts === 0 && pod.lastEnd === undefined && !/BackOff|Err|Invalid/.test(pod.waiting?.reason ?? '')
}

/** One life of a pod's container; never used again. */
export function instanceOf(pod: PodView): string {
  return pod.restarts === 0 ? pod.name : `${pod.name}.${pod.restarts}`
}

/** The API gives whole seconds: within one the order of the list stays. */
export function byAge(a: PodView, b: PodView): number {
  return a.createdAtMs - b.createdAtMs
}

function largest(pods: readonly PodView[], shown: string | undefined): readonly PodView[] {
  const groups = Map.groupBy(pods, ({ revision }) => revision)
  const sameAsBefore = shown === undefined ? undefined : groups.get(shown)
  return sameAsBefore ?? [...groups.values()].sort((a, b) => b.length - a.length)[0] ?? []
}

/** Which pods go when there are fewer: the youngest, as callers of the others would like. Pure. */
import type { PodView } from './objects.ts'
import { byAge } from './routes.ts'

export type ScaleDown = {
  /** To be marked as the cheapest to remove. */
  readonly doom: readonly PodView[]
  /** Marked before, and to stay after all. */
  readonly spare: readonly PodView[]
}

/** While two versions are there Kubernetes decides: it removes the old one's. */
export function chooseScaleDown(pods: readonly PodView[], incarnation: string, replicas: number): ScaleDown {
  const present = pods.filter((pod) => !pod.isLeaving && pod.incarnation === incarnation && pod.phase !== 'Failed')
  const isMixed = new Set(present.map(({ revision }) => revision)).size > 1
  if (isMixed || replicas === 0) return { doom: [], spare: [] }
  const ordered = [...present].sort((a, b) => Number(b.isReady) - Number(a.isReady) || byAge(a, b))
  return {
    doom: ordered.slice(replicas).filter(({ isDoomed }) => !isDoomed),
    spare: ordered.slice(0, replicas).filter(({ isDoomed }) => isDoomed),
  }
}

/** What to do with the replicas of one function, out of what is seen. Pure: no clock, no process. */

/**
 * `starting` does not answer yet, `ready` does, `ended` has just gone and keeps its place until it is known why.
 * Those on their way out are not seen here.
 */
export type SeenReplica = {
  readonly instance: string
  readonly revision: string
  readonly phase: 'starting' | 'ready' | 'ended'
}

export type Seen = {
  /** Oldest first. */
  readonly replicas: readonly SeenReplica[]
  /** How many are asked for. */
  readonly wanted: number
  /** The revision that should run. */
  readonly target: string
  /** The revision that serves until `target` is ready; the same when there is no update. */
  readonly serving: string
  /** How many of `serving` there were when the update began; it does not grow while it is replaced. */
  readonly kept: number
  /** New replicas of an update started at a time. */
  readonly step: number
  /** One writes a volume: the old one leaves first, and callers wait for the new one. */
  readonly isHandedOver: boolean
}

export type Plan = {
  /** How many to start, and of which revision. */
  readonly start: readonly { readonly revision: string; readonly count: number }[]
  /** Instances that get no new calls, and then end. */
  readonly leave: readonly string[]
  /** Instances that get calls. */
  readonly route: readonly string[]
  /** As many of `target` are ready as are wanted: it serves from now on. */
  readonly isUpdated: boolean
}

export function plan(seen: Seen): Plan {
  const { replicas, wanted, target, serving, kept, step, isHandedOver } = seen
  const old = target === serving ? [] : replicas.filter((one) => one.revision === serving)
  const fresh = replicas.filter((one) => one.revision === target)
  const freshReady = fresh.filter(isReady).length
  const isUpdated = wanted > 0 && freshReady >= wanted

  // Up to one step everything is switched at once; beyond it each new ready replica lets an old one go.
  const oldWanted = isUpdated || target === serving || isHandedOver ? 0 : Math.min(kept, wanted <= step ? wanted : wanted - freshReady)
  const freshWanted = target === serving ? wanted : Math.min(wanted, freshReady + step)
  const oldLeaving = surplus(old, oldWanted)
  const freshLeaving = surplus(fresh, wanted)
  const others = replicas.filter((one) => one.revision !== target && one.revision !== serving)

  const oldRoute = old.filter((one) => isReady(one) && !oldLeaving.includes(one))
  const freshRoute = fresh.filter((one) => isReady(one) && !freshLeaving.includes(one))
  const isMixed = wanted > step || oldRoute.length === 0 || isUpdated
  return {
    start: [
      { revision: serving, count: Math.max(0, oldWanted - old.length) },
      { revision: target, count: Math.max(0, freshWanted - fresh.length) },
    ].filter(({ count }) => count > 0),
    leave: [...others, ...oldLeaving, ...freshLeaving].map((one) => one.instance),
    route: (isMixed ? [...oldRoute, ...freshRoute] : oldRoute).map((one) => one.instance),
    isUpdated,
  }
}

/** Those beyond `wanted`: first what is not ready, then the youngest. */
function surplus(replicas: readonly SeenReplica[], wanted: number): readonly SeenReplica[] {
  const byUse = [...replicas.filter(isReady), ...replicas.filter((one) => !isReady(one))]
  return byUse.slice(wanted)
}

function isReady(one: SeenReplica): boolean {
  return one.phase === 'ready'
}

/** Calls that wait for a replica: bounded in number and time, and let out in shares while more replicas are to come. */
import { BrambleError } from '../lib/errors.ts'
import type { FunctionRef } from '../openfaas/types.ts'
import type { Target } from './table.ts'

/** Brings functions up. Handed in: the data path knows nothing of who does it. */
export type Waker = {
  /**
   * Sees to it that the function runs. Resolves when a replica is ready, or there is something new to look at; rejects
   * with the reason when none will be ready soon. May be said again at any time.
   */
  wake(ref: FunctionRef): Promise<void>
  /** Why no replica is ready, in words; `undefined` when nothing is known to be wrong. */
  whyNotReady(ref: FunctionRef): Promise<string | undefined>
}

/** One that waits. Exactly one of the two is called, once, unless it leaves before. */
export type Waiter = { resume(): void; fail(error: unknown): void }

export type Parking = {
  /** `sinceMs` is when the call began: it waits no longer than the limit from then. Returns the way to leave. */
  park(target: Target, sinceMs: number, waiter: Waiter): () => void
}

export type ParkingOptions = {
  /** Absent while nothing can wake a function. */
  readonly waker: Waker | undefined
  /** Calls of one function that wait at once. */
  readonly maxWaiting: number
  readonly readyTimeoutMs: number
}

/** How soon a parked call looks again by itself: a replica set aside may be back. */
const ASIDE_MS = 50
/** The same while there is no replica, or only a share was let out: those to come may be long in coming. */
const LOOK_MS = 2_000

export function createParking({ waker, maxWaiting, readyTimeoutMs }: ParkingOptions): Parking {
  const wake = (target: Target): void => {
    if (waker === undefined || target.isWaking) return
    target.isWaking = true
    waker.wake(target.ref).then(() => { target.isWaking = false }, (error: unknown) => {
      target.isWaking = false
      // A replica may have come after all: those who wait for it go on.
      if (target.replicas.length === 0) for (const waiter of [...target.waiting]) waiter.fail(error)
    })
  }

  const giveUp = async (target: Target): Promise<BrambleError> => {
    const why = await waker?.whyNotReady(target.ref).catch(() => undefined) ?? 'no replica became ready in time (ready_timeout)'
    return new BrambleError('UNAVAILABLE', `no endpoints available for ${target.series.name}: ${why}`)
  }

  const refusal = (target: Target): BrambleError | undefined => {
    const { name } = target.series
    if (target.isRemoved) return new BrambleError('NOT_FOUND', `error finding function ${name}: it was removed`)
    if (target.wantedReplicas === 0 && waker === undefined) {
      return new BrambleError('UNAVAILABLE', `no endpoints available for ${name}: it is scaled to 0; scale it up to call it`)
    }
    if (target.waiting.size < maxWaiting) return undefined
    return new BrambleError('BUSY', `${target.waiting.size} calls wait for a replica of ${name} already (max_waiting)`)
  }

  return {
    park(target, sinceMs, { resume, fail }) {
      let hasLeft = false
      const refused = refusal(target)
      const leftMs = sinceMs + readyTimeoutMs - performance.now()
      if (refused !== undefined || leftMs <= 0) {
        if (refused !== undefined) fail(refused)
        else void giveUp(target).then((error) => { if (!hasLeft) fail(error) })
        return () => { hasLeft = true }
      }
      const leave = (): void => {
        clearTimeout(timer)
        target.waiting.delete(waiter)
      }
      const waiter: Waiter = {
        resume() { leave(); resume() },
        fail(error) { leave(); fail(error) },
      }
      const timer = setTimeout(waiter.resume, Math.min(target.replicas.length > 0 ? ASIDE_MS : LOOK_MS, leftMs))
      target.waiting.add(waiter)
      if (target.replicas.length === 0) wake(target)
      return leave
    },
  }
}

/**
 * The route has changed. While more replicas are wanted than are ready, each new one gets its share of those who wait:
 * the first one up must not take them all.
 */
export function letOut(target: Target, readyBefore: number): void {
  const { waiting, replicas, wantedReplicas, isRemoved, isWaking } = target
  const ready = replicas.length
  const isAll = isRemoved || wantedReplicas === 0 || (ready === 0 ? !isWaking : ready >= wantedReplicas)
  const share = isAll ? 1 : Math.max(0, ready - readyBefore) / (wantedReplicas - readyBefore)
  for (const waiter of [...waiting].slice(0, Math.ceil(waiting.size * share))) waiter.resume()
}

/** A call has ended: one of those who were not let out takes its place. */
export function letOne(target: Target): void {
  if (target.waiting.size === 0 || target.replicas.length === 0) return
  const [first] = target.waiting
  first?.resume()
}

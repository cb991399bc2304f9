/** Makes of each `Function` object the function it describes, and says in its status how that is. */
import { backoffMs } from '../../lib/backoff.ts'
import { BrambleError, reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { FunctionRef } from '../../openfaas/types.ts'
import type { Client } from './client.ts'
import { isApiError } from './errors.ts'
import { objectStatus, saysAlready, type FunctionObject } from './function-objects.ts'
import type { Functions } from './functions.ts'
import { paths } from './paths.ts'

export type FunctionObjects = {
  /** The object is new, has changed, or is gone: what it made goes with it, by Kubernetes' own doing. */
  look(before: FunctionObject | undefined, after: FunctionObject | undefined): void
  /** Something about the function has changed, which its object may say. */
  refresh(ref: FunctionRef): void
  stop(): void
}

/** Pods change several times a second while they start. */
const REFRESH_MS = 250
const RETRY = { firstMs: 500, maxMs: 60_000 }

type Entry = {
  object: FunctionObject
  /** Of the generation that was applied last; 0 for none. */
  applied: number
  failures: number
  problem: string | undefined
  timer: NodeJS.Timeout | undefined
  isBusy: boolean
}

export function createFunctionObjects({ client, functions, log }: { client: Client; functions: Pick<Functions, 'apply' | 'get'>; log: Log }): FunctionObjects {
  /** By the object's key, and the same by the function's. */
  const entries = new Map<string, Entry>()

  const soon = (entry: Entry, ms: number): void => {
    clearTimeout(entry.timer)
    entry.timer = setTimeout(() => void work(entry), ms)
  }

  const work = async (entry: Entry): Promise<void> => {
    if (entry.isBusy) return soon(entry, REFRESH_MS)
    entry.isBusy = true
    try {
      const { object } = entry
      if (entry.applied !== object.generation) await applyOnce(entry, object)
      await tell(entry)
    } catch (error) {
      if (!isApiError(error, 404)) log.warn('the status of a Function object could not be written', { object: entry.object.key, error: reasonOf(error) })
    } finally {
      entry.isBusy = false
    }
  }

  const applyOnce = async (entry: Entry, object: FunctionObject): Promise<void> => {
    try {
      if ('problem' in object.asked) throw new BrambleError('INVALID', object.asked.problem)
      await functions.apply(object.asked.spec, object.owner)
      entry.applied = object.generation
      entry.problem = undefined
      entry.failures = 0
    } catch (error) {
      entry.problem = reasonOf(error)
      entry.failures++
      // A missing secret may come: what is wrong for good costs one try a minute.
      soon(entry, Math.max(RETRY.firstMs, backoffMs(entry.failures + 1, RETRY)))
    }
  }

  const tell = async (entry: Entry): Promise<void> => {
    const { object, problem } = entry
    if (!entries.has(object.key)) return
    const status = 'spec' in object.asked ? await functions.get(object.asked.spec) : undefined
    const next = objectStatus(object, status, problem, new Date())
    if (saysAlready(object, next)) return
    await client.merge(`${paths.functions(object.namespace, object.name)}/status`, { status: next })
  }

  return {
    look(before, after) {
      const key = (after ?? before)?.key ?? ''
      const known = entries.get(key)
      if (!after || after.isLeaving) {
        clearTimeout(known?.timer)
        entries.delete(key)
        return
      }
      if (known && known.object.uid === after.uid) {
        const isChanged = known.object.generation !== after.generation
        known.object = after
        if (isChanged) soon(known, 0)
        return
      }
      clearTimeout(known?.timer)
      const entry: Entry = { object: after, applied: 0, failures: 0, problem: undefined, timer: undefined, isBusy: false }
      entries.set(key, entry)
      soon(entry, 0)
    },
    refresh(ref) {
      for (const entry of entries.values()) {
        const { asked } = entry.object
        if (!('spec' in asked) || asked.spec.name !== ref.name || asked.spec.namespace !== ref.namespace) continue
        // A retry that is due later stays due.
        if (entry.applied === entry.object.generation) soon(entry, REFRESH_MS)
      }
    },
    stop() {
      for (const entry of entries.values()) clearTimeout(entry.timer)
      entries.clear()
    },
  }
}

/** What is wrong with a function, in words; nothing when it is as it was asked to be. Pure. */
import type { FunctionCondition } from '../../openfaas/types.ts'
import type { UpdateFailure } from './store.ts'
import type { Trouble } from './troubles.ts'

export type ConditionFacts = {
  readonly nowMs: number
  readonly wanted: number
  readonly ready: number
  /** A new version is being brought up beside the one that serves. */
  readonly isUpdating: boolean
  readonly failure: UpdateFailure | undefined
  readonly trouble: Trouble | undefined
  /** Replicas that are not ready yet. */
  readonly starting: readonly { readonly instance: string; readonly ageMs: number; readonly why: string }[]
  readonly readyDeadlineMs: number
  readonly showOutOfMemoryMs: number
  /** The last lines of one of those starting. */
  readonly lastLinesOf: (instance: string) => readonly string[]
}

/** One end alone is an accident; two in a row are a loop. */
const LOOP_FAILURES = 2

export function conditionsOf(facts: ConditionFacts): readonly FunctionCondition[] {
  const { wanted, ready, isUpdating, failure, starting, readyDeadlineMs, lastLinesOf } = facts
  const conditions: FunctionCondition[] = []
  if (failure) conditions.push({ reason: 'UpdateFailed', message: failure.message, lastLines: failure.lastLines })
  if (wanted === 0) return conditions

  const ended = troubleCondition(facts)
  if (ended) conditions.push(ended)
  const late = starting.find((one) => one.ageMs > readyDeadlineMs)
  if (late) {
    conditions.push({
      reason: 'NotReady',
      message: `replica ${late.instance} is not ready after ${seconds(late.ageMs)}: ${late.why}`,
      lastLines: lastLinesOf(late.instance),
    })
  }
  if (conditions.length === 0 && (isUpdating || ready < wanted)) {
    conditions.push({
      reason: 'Starting',
      message: isUpdating ? 'a new version is starting; the old one serves' : `${ready} of ${wanted} replicas are ready`,
    })
  }
  return conditions
}

function troubleCondition(facts: ConditionFacts): FunctionCondition | undefined {
  const { trouble, nowMs, showOutOfMemoryMs } = facts
  if (!trouble) return undefined
  const { last, failures, restartAtMs } = trouble
  const again = failures < LOOP_FAILURES ? ''
    : ` (${failures} times in a row; ${restartAtMs > nowMs ? `next start in ${seconds(restartAtMs - nowMs)}` : 'started again'})`
  const make = (reason: FunctionCondition['reason']): FunctionCondition =>
    ({ reason, message: last.text + again, lastLines: last.lastLines })
  if (last.cause === 'out-of-memory') {
    return failures >= LOOP_FAILURES || nowMs - trouble.lastAtMs < showOutOfMemoryMs ? make('OutOfMemory') : undefined
  }
  if (last.cause === 'cannot-run') return failures > 0 ? make('NotReady') : undefined
  if (last.cause === 'unresponsive') return failures > 0 ? make('NotReady') : undefined
  return failures >= LOOP_FAILURES ? make('CrashLoop') : undefined
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

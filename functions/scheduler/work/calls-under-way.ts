/** The calls that this replica makes now, each of which can be ended from here. */
import type { Log } from '@bramble/runtime'
import type { TakenRun } from '../store/claim.ts'
import type { Finish } from '../store/finish.ts'
import { attempt, type AttemptDeps, type EndReason, timeoutOf } from './attempt.ts'

export type CallUnderWay = { readonly run: TakenRun; readonly begunMs: number; end(reason: EndReason): void }

export type CallsUnderWay = {
  size(): number
  ids(): readonly string[]
  all(): readonly CallUnderWay[]
  begin(run: TakenRun): void
  /** `undefined`: it is not here. */
  get(runId: string): CallUnderWay | undefined
  endAll(reason: EndReason): void
}

export type CallsDeps = AttemptDeps & {
  readonly log: Log
  /** Its call is no longer among those under way. */
  readonly onEnded: (finish: Finish) => void
}

export function createCallsUnderWay({ log, onEnded, ...deps }: CallsDeps): CallsUnderWay {
  const calls = new Map<string, CallUnderWay>()
  return {
    size: () => calls.size,
    ids: () => [...calls.keys()],
    all: () => [...calls.values()],
    get: (runId) => calls.get(runId),
    begin(run) {
      const controller = new AbortController()
      let endedBy: EndReason | undefined
      const end = (reason: EndReason): void => {
        endedBy ??= reason
        controller.abort(new Error(reason))
      }
      calls.set(run.id, { run, begunMs: deps.nowMs(), end })
      const timeout = setTimeout(() => end('timeout'), timeoutOf(run))
      void attempt(run, controller.signal, () => endedBy, deps).then((finish) => {
        clearTimeout(timeout)
        calls.delete(run.id)
        log.info('attempt ended', { callId: run.id, job: run.job_id, name: run.name, queue: run.queue, state: finish.outcome.state, ...finish.entry })
        onEnded(finish)
      })
    },
    endAll(reason) {
      for (const one of calls.values()) one.end(reason)
    },
  }
}

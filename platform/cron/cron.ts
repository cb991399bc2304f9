/** The loop: looks at the clock, begins what is due, and sleeps to the next moment, though never for long. */
import type { Clock } from '../lib/clock.ts'
import { reasonOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Part } from '../lib/parts.ts'
import type { CronStatus } from '../openfaas/cron-status.ts'
import { serviceName } from '../openfaas/names.ts'
import type { FunctionRef, FunctionSpec } from '../openfaas/types.ts'
import type { Provider, RouteChange } from '../provider/provider.ts'
import type { CallFunction } from './call.ts'
import { dueRuns, nextRunMs } from './due.ts'
import type { History } from './history.ts'
import { planJobs, type Job } from './plan.ts'
import { createRunner, type Runner } from './runner.ts'
import { statusOf } from './status.ts'

export type Cron = Part & {
  /** The schedules of a namespace, by function. */
  list(namespace: string): readonly CronStatus[]
  /** Milliseconds until the function's next run; `Infinity` when there is none. */
  dueInMs(ref: FunctionRef): number
}

export type CronDeps = {
  readonly provider: Pick<Provider, 'list' | 'watch'> & { readonly namespaces: Pick<Provider['namespaces'], 'list'> }
  readonly history: History
  readonly call: CallFunction
  readonly clock: Clock
  readonly log: Log
}

/** No sleep is longer: a clock that jumps is noticed. */
const LONGEST_SLEEP_MS = 1_000
/** How soon other annotations are seen; a function that is new or gone is seen with the next look. */
const READ_EVERY_MS = 5_000

type Entry = { readonly job: Job; readonly runner: Runner; readonly anchorMs: number; doneMs: number; nextMs: number }

export function createCron({ provider, history, call, clock, log }: CronDeps): Cron {
  const entries = new Map<string, Entry>()
  let byService = new Map<string, Entry[]>()
  /** Jobs of a function, as long as its annotations stay the same. */
  let planned = new Map<string, { readonly key: string; readonly jobs: readonly Job[] }>()
  /** Functions that there are, by the provider's word. */
  const present = new Set<string>()
  let unwatch: (() => void) | undefined
  let isLoaded = false
  let readMs = -Infinity
  let lookedMs = -Infinity
  let cancel: (() => void) | undefined
  let running: Promise<void> | undefined
  let isOn = false

  const plan = (spec: FunctionSpec): { readonly key: string; readonly jobs: readonly Job[] } => {
    const key = JSON.stringify(spec.annotations)
    const known = planned.get(serviceName(spec))
    if (known?.key === key) return known
    try {
      return { key, jobs: planJobs(spec) }
    } catch (error) {
      log.warn('schedule makes no sense', { function: spec.name, namespace: spec.namespace, error: reasonOf(error) })
      return { key, jobs: [] }
    }
  }

  const note = ({ ref, route }: RouteChange): void => {
    const key = serviceName(ref)
    if (route === undefined ? !present.delete(key) : present.has(key)) return
    if (route !== undefined) present.add(key)
    readMs = -Infinity
  }

  const read = async (nowMs: number): Promise<void> => {
    const specs: FunctionSpec[] = []
    for (const { name } of await provider.namespaces.list()) {
      for (const { spec } of await provider.list(name)) if (spec.annotations['schedule'] !== undefined) specs.push(spec)
    }
    planned = new Map(specs.map((spec) => [serviceName(spec), plan(spec)]))
    const jobs = new Map([...planned.values()].flatMap((one) => one.jobs).map((job) => [job.id, job]))
    for (const [id, entry] of entries) {
      // Another way to run it, or gone.
      if (jobs.get(id) === entry.job) continue
      entry.runner.stop()
      entries.delete(id)
    }
    history.keepOnly(new Set(jobs.keys()))
    for (const job of jobs.values()) if (!entries.has(job.id)) entries.set(job.id, open(job, nowMs))
    byService = Map.groupBy(entries.values(), ({ job }) => serviceName(job.ref))
  }

  const open = (job: Job, nowMs: number): Entry => {
    const known = history.get(job.id)
    // On the second, as the cron connector counts intervals.
    const { doneMs, anchorMs } = known ?? { anchorMs: Math.floor(nowMs / 1_000) * 1_000, doneMs: nowMs }
    if (known === undefined) history.note({ id: job.id, anchorMs, doneMs })
    return { job, runner: createRunner({ job, history, call, nowMs: clock.nowMs, log }), anchorMs, doneMs, nextMs: -Infinity }
  }

  const look = (entry: Entry, nowMs: number): void => {
    const { job, runner, anchorMs } = entry
    const due = dueRuns(job, entry.doneMs, anchorMs, nowMs)
    entry.doneMs = due.doneMs
    entry.nextMs = nextRunMs(job, due.doneMs, anchorMs)
    for (const [index, dueMs] of due.runs.entries()) {
      const isLast = index === due.runs.length - 1
      runner.add({ dueMs, doneMs: isLast ? due.doneMs : dueMs }, due.runs.length > 1)
    }
    if (due.runs.length === 0) runner.pass(due.doneMs)
  }

  const round = async (): Promise<void> => {
    if (!isLoaded) await history.load()
    isLoaded = true
    const nowMs = clock.nowMs()
    if (nowMs - readMs >= READ_EVERY_MS || nowMs < readMs) {
      readMs = nowMs
      // While the provider cannot say what there is, what there was goes on.
      await read(nowMs).catch((error: unknown) => log.warn('functions could not be listed', { error: reasonOf(error) }))
    }
    const hasGoneBack = nowMs < lookedMs - LONGEST_SLEEP_MS
    lookedMs = nowMs
    for (const entry of entries.values()) if (hasGoneBack || nowMs >= entry.nextMs) look(entry, nowMs)
  }

  const turn = (): void => {
    running = round().catch((error: unknown) => log.error('schedules could not be looked at', { error })).then(() => {
      if (!isOn) return
      const nextMs = entries.values().reduce((first, entry) => Math.min(first, entry.nextMs), Infinity)
      cancel = clock.after(Math.max(1, Math.min(LONGEST_SLEEP_MS, nextMs - clock.nowMs())), turn)
    })
  }

  return {
    list: (namespace) => entries.values().filter(({ job }) => job.ref.namespace === namespace)
      .map(({ job, nextMs }) => statusOf(job, history.get(job.id), nextMs)).toArray()
      .sort((a, b) => (`${a.name} ${a.schedule}` < `${b.name} ${b.schedule}` ? -1 : 1)),
    dueInMs: (ref) => Math.min(...(byService.get(serviceName(ref)) ?? []).map(({ nextMs }) => nextMs)) - clock.nowMs(),
    async start() {
      if (isOn) return
      isOn = true
      unwatch = provider.watch(note)
      turn()
    },
    async stop() {
      isOn = false
      cancel?.()
      unwatch?.()
      await running
      for (const { runner } of entries.values()) runner.stop()
      entries.clear()
      byService.clear()
      isLoaded = false
      readMs = -Infinity
    },
  }
}

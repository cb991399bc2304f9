/** Measures all replicas together, once per period, and says when one is above its memory limit. */
import type { FunctionUsage } from '../../openfaas/types.ts'
import { reasonOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Processes, Usage } from './processes.ts'

export type Meter = {
  start(): void
  stop(): void
  /** `onOver` is called with the bytes, once per measurement above `limitBytes`. Returns the way to stop. */
  add(pid: number, limitBytes: number | undefined, onOver: (bytes: number) => void): () => void
  /** CPU since a measurement of 1 to 2 periods ago (or since the process began), memory now; summed up. */
  usage(pids: readonly number[]): Promise<FunctionUsage>
}

type Sample = { readonly atMs: number; readonly cpuMs: number }
type Entry = {
  readonly limitBytes: number | undefined
  readonly onOver: (bytes: number) => void
  /** The last two measurements, older first. */
  samples: readonly [Sample, Sample]
}

/** Measured without giving way to other work; some 50 us each. */
const BATCH = 20
/** A shorter time says little: Linux counts CPU in steps of 10 ms. */
const MIN_WINDOW_MS = 50

export function createMeter(deps: { processes: Processes; everyMs: number; nowMs: () => number; log: Log }): Meter {
  const { processes, everyMs, nowMs, log } = deps
  const entries = new Map<number, Entry>()
  let timer: NodeJS.Timeout | undefined

  const measure = async (): Promise<void> => {
    const pids = [...entries.keys()]
    for (let from = 0; from < pids.length; from += BATCH) {
      for (const [pid, usage] of await processes.usage(pids.slice(from, from + BATCH))) note(pid, usage)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const note = (pid: number, { memoryBytes, cpuMs }: Usage): void => {
    const entry = entries.get(pid)
    if (!entry) return
    entry.samples = [entry.samples[1], { atMs: nowMs(), cpuMs }]
    if (entry.limitBytes !== undefined && memoryBytes > entry.limitBytes) entry.onOver(memoryBytes)
  }
  const schedule = (): void => {
    timer = setTimeout(() => {
      measure()
        .catch((error: unknown) => log.error('replicas could not be measured', { error: reasonOf(error) }))
        .finally(() => { if (timer) schedule() })
    }, everyMs)
    timer.unref()
  }

  return {
    start() { if (!timer) schedule() },
    stop() {
      clearTimeout(timer)
      timer = undefined
      entries.clear()
    },
    add(pid, limitBytes, onOver) {
      const begun: Sample = { atMs: nowMs(), cpuMs: 0 }
      entries.set(pid, { limitBytes, onOver, samples: [begun, begun] })
      return () => { entries.delete(pid) }
    },
    async usage(pids) {
      let cpu = 0
      let totalMemoryBytes = 0
      for (const [pid, now] of await processes.usage(pids)) {
        totalMemoryBytes += now.memoryBytes
        const since = entries.get(pid)?.samples[0]
        const windowMs = since === undefined ? 0 : nowMs() - since.atMs
        if (since && windowMs >= MIN_WINDOW_MS) cpu += Math.max(0, now.cpuMs - since.cpuMs) / windowMs * 1000
      }
      return { cpu: Math.round(cpu), totalMemoryBytes }
    },
  }
}

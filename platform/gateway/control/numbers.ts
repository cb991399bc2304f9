/** The numbers of several processes of the data path, as if one had counted them; those of processes that ended stay. */
import type { FunctionLoad } from '../../metrics/function-load.ts'
import { createFunctionSeries, type CodeSeries, type FunctionSeries } from '../../metrics/invocations.ts'
import type { PlainSeries, ProcessNumbers } from './messages.ts'

/** What one process has told. */
export type PeerNumbers = {
  readonly series: Map<string, PlainSeries>
  readonly loads: Map<string, { readonly load: FunctionLoad; readonly atMs: number }>
  process: ProcessNumbers
}

export type Numbers = {
  /** All that is known of one process, empty at first. */
  open(): PeerNumbers
  /** The process has ended, or is out of reach: it has no call under way any more that anybody could count. */
  close(numbers: PeerNumbers): void
  series(): Iterable<FunctionSeries>
  /** `atMs` and the time of calls under way are brought up to `nowMs`. */
  loads(nowMs: number): FunctionLoad[]
  /** Calls of a function that have ended. */
  finished(name: string): number
  process(): ProcessNumbers
}

export function createNumbers(): Numbers {
  const open = new Set<PeerNumbers>()
  const pastSeries = new Map<string, FunctionSeries>()
  const pastLoads = new Map<string, FunctionLoad>()
  let pastCpuSeconds = 0

  const all = (): Map<string, FunctionSeries> => {
    const sum = new Map<string, FunctionSeries>()
    for (const [name, one] of pastSeries) add(sum, name, plain(one))
    for (const peer of open) for (const [name, one] of peer.series) add(sum, name, one)
    return sum
  }

  return {
    open() {
      const numbers: PeerNumbers = { series: new Map(), loads: new Map(), process: { cpuSeconds: 0, residentBytes: 0 } }
      open.add(numbers)
      return numbers
    },
    close(numbers) {
      if (!open.delete(numbers)) return
      for (const [name, one] of numbers.series) add(pastSeries, name, { ...one, inFlight: 0 })
      for (const [name, { load }] of numbers.loads) {
        pastLoads.set(name, plus(pastLoads.get(name), { ...load, inFlight: 0, waiting: 0 }))
      }
      pastCpuSeconds += numbers.process.cpuSeconds
    },
    series: () => all().values(),
    loads(nowMs) {
      const sum = new Map(pastLoads)
      for (const { loads } of open) {
        for (const [name, { load, atMs }] of loads) {
          sum.set(name, plus(sum.get(name), { ...load, busyMs: load.busyMs + load.inFlight * (nowMs - atMs) }))
        }
      }
      return Array.from(sum.values(), (load) => ({ ...load, atMs: nowMs }))
    },
    finished(name) {
      let count = pastLoads.get(name)?.finished ?? 0
      for (const { loads } of open) count += loads.get(name)?.load.finished ?? 0
      return count
    },
    process() {
      let cpuSeconds = pastCpuSeconds
      let residentBytes = 0
      for (const { process } of open) {
        cpuSeconds += process.cpuSeconds
        residentBytes += process.residentBytes
      }
      return { cpuSeconds, residentBytes }
    },
  }
}

/** As a message: what the data path sends of one function. */
export function plain({ name, started, inFlight, byCode }: FunctionSeries): PlainSeries {
  return {
    name, started, inFlight,
    byCode: Array.from(byCode, ([code, { count, sumSeconds, buckets }]) => ({ code, count, sumSeconds, buckets: [...buckets] })),
  }
}

function add(sum: Map<string, FunctionSeries>, name: string, one: PlainSeries): void {
  const into = sum.get(name) ?? createFunctionSeries(name)
  sum.set(name, into)
  into.started += one.started
  into.inFlight += one.inFlight
  for (const { code, count, sumSeconds, buckets } of one.byCode) {
    const present: CodeSeries = into.byCode.get(code) ?? { count: 0, sumSeconds: 0, buckets: new Uint32Array(buckets.length) }
    into.byCode.set(code, present)
    present.count += count
    present.sumSeconds += sumSeconds
    for (const [index, value] of buckets.entries()) present.buckets[index] = (present.buckets[index] ?? 0) + value
  }
}

function plus(a: FunctionLoad | undefined, b: FunctionLoad): FunctionLoad {
  if (a === undefined) return b
  return {
    name: a.name, atMs: b.atMs,
    started: a.started + b.started, finished: a.finished + b.finished,
    inFlight: a.inFlight + b.inFlight, waiting: a.waiting + b.waiting, busyMs: a.busyMs + b.busyMs,
  }
}

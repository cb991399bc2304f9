/** Counters of function calls: numbers in arrays, turned into text only when somebody asks. */

/** Upper bounds in seconds; OpenFaaS uses the Prometheus client's defaults. */
export const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

export type CodeSeries = {
  count: number
  sumSeconds: number
  /** Calls that fell into each bucket, not yet cumulated; the last one is +Inf. */
  readonly buckets: Uint32Array
}

/** What is counted of one function, named `NAME.NAMESPACE`. */
export type FunctionSeries = {
  readonly name: string
  started: number
  inFlight: number
  /** The moments at which calls ended minus those at which calls began: `loadOf` makes the time spent out of it. */
  busyMs: number
  readonly byCode: Map<number, CodeSeries>
}

export function createFunctionSeries(name: string): FunctionSeries {
  return { name, started: 0, inFlight: 0, busyMs: 0, byCode: new Map() }
}

/** Counts a call that begins. */
export function begin(series: FunctionSeries, nowMs: number): void {
  series.started++
  series.inFlight++
  series.busyMs -= nowMs
}

/** Counts a call that has ended. */
export function end(series: FunctionSeries, code: number, beganMs: number, nowMs: number): void {
  series.inFlight--
  series.busyMs += nowMs
  observe(series, code, (nowMs - beganMs) / 1000)
}

export function observe(series: FunctionSeries, code: number, seconds: number): void {
  let one = series.byCode.get(code)
  if (one === undefined) {
    one = { count: 0, sumSeconds: 0, buckets: new Uint32Array(DURATION_BUCKETS_S.length + 1) }
    series.byCode.set(code, one)
  }
  one.count++
  one.sumSeconds += seconds
  let bucket = 0
  while (bucket < DURATION_BUCKETS_S.length && seconds > (DURATION_BUCKETS_S[bucket] ?? 0)) bucket++
  one.buckets[bucket] = (one.buckets[bucket] ?? 0) + 1
}

/** Calls ended, whatever their code. */
export function totalOf(series: FunctionSeries): number {
  let total = 0
  for (const one of series.byCode.values()) total += one.count
  return total
}
